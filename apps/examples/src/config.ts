// The settings come from aegis.toml in the working folder; an option given here would beat the file.
import { AegisError } from '@aegis/storage'
import { StreamingEngine } from '@aegis/streaming'

const engine = await StreamingEngine.open({ config: 'aegis.toml' })
const { retention } = await engine.createTopic('orders') // says nothing of retention: default_retention holds
console.log('orders stay', retention! / 86_400_000, 'days')
await engine.close()

// What is wrong is named: the setting, its value and what is allowed.
try {
  await StreamingEngine.open({ config: 'aegis.toml', maxMessageSize: '1 potato' })
} catch (error) {
  if (!AegisError.is(error, 'ENGINE_INVALID')) throw error
  console.log(error.message)
}
