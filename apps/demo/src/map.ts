import { readFile } from 'node:fs/promises'
import { geoAlbersUsa, geoConicEqualArea } from 'd3-geo'
import type { Feature, FeatureCollection, Polygon, Position } from 'geojson'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import { dataSet } from './command-line.ts'

/** From degrees to the map's plane; null for what is not on the map. */
export type Project = (place: readonly [longitude: number, latitude: number]) => readonly [x: number, y: number] | null

const usa = geoAlbersUsa()
// Puerto Rico and the Virgin Islands, which the projection leaves out, in the corner south-east of Florida.
const islands = geoConicEqualArea()
  .parallels([8, 18])
  .rotate([66, 0])
  .center([0, 18.2])
  .scale(2_600)
  .translate([850, 500])

/** Mirrored, for the chart library has y upwards. Two decimals are a tenth of what the screen shows. */
export const project: Project = ([longitude, latitude]) => {
  const inIslands = longitude > -68 && longitude < -64 && latitude > 17 && latitude < 19
  const point = inIslands ? islands([longitude, latitude]) : usa([longitude, latitude])
  return point === null ? null : [round(point[0]), round(-point[1])]
}

function round(n: number): number {
  return Math.round(n * 100) / 100
}

/** The states as GeoJSON on the map's plane. */
export async function readMap(): Promise<FeatureCollection> {
  const topology: Topology<{ states: GeometryCollection }> = JSON.parse(await readFile(dataSet('us-10m.json'), 'utf8'))
  const states = feature(topology, topology.objects.states)
  return { type: 'FeatureCollection', features: states.features.flatMap(projected) }
}

/** Each polygon with its points on the plane; points nearer than `finest` to the one before are left out. */
function projected({ id, geometry }: Feature): Feature<Polygon>[] {
  const polygons =
    geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.type === 'MultiPolygon' ? geometry.coordinates : []
  return polygons.flatMap((rings, part) => {
    const coordinates = rings.map(ringOnPlane).filter(ring => ring.length >= 4)
    if (coordinates.length === 0) return []
    // The chart library finds what it draws by name.
    return [{ type: 'Feature', properties: { name: `${id}.${part}` }, geometry: { type: 'Polygon', coordinates } }]
  })
}

const finest = 0.35

function ringOnPlane(ring: readonly Position[]): Position[] {
  const points: Position[] = []
  for (const [longitude, latitude] of ring) {
    const point = project([longitude!, latitude!])
    const before = points.at(-1)
    if (point === null) continue
    if (before !== undefined && Math.hypot(point[0] - before[0]!, point[1] - before[1]!) < finest) continue
    points.push([...point])
  }
  if (points.length > 0) points.push(points[0]!)
  return points
}
