import {
  createBatteryRanker,
  createDefaultRanker,
  createMemoryRanker,
  createSpeedRanker,
} from '../../src/providers/rankers/priorities.ts'

/** The rankers of a node whose operator chose no others. */
export const RANKERS = {
  default: createDefaultRanker(),
  memory: createMemoryRanker(),
  speed: createSpeedRanker(),
  battery: createBatteryRanker(),
}
