/** What those who watch are told of items. */
export interface Instrumentation<Item> {
  /** Called around each call of the handler of `run`: it gives on what `handle` gives. */
  handling(item: Item, handle: () => Promise<void> | void): Promise<void> | void
  /**
   * A loop or an Observable has been given an item. What this returns is called once: when the item is acknowledged or refused (then
   * with the reason), or when the loop, without having said anything of it, has ended or, without a group, gone on.
   */
  handedOver(item: Item): (refused?: string) => void
}
