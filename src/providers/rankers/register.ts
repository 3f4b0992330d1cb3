import type { ProviderRegistry } from '../../kernel/plugins/registry.ts'
import { createBatteryRanker, createDefaultRanker, createMemoryRanker, createSpeedRanker } from './priorities.ts'

/** The rankers that come with the node. */
export function registerRankers(registry: ProviderRegistry): void {
  registry.registerProvider('rankers', 'default', createDefaultRanker, {
    documentation: 'Prefers none: the higher version wins, then the smaller digest.',
  })
  registry.registerProvider('rankers', 'memory', createMemoryRanker, {
    capabilities: ['memory'],
    documentation: 'Prefers less memory: what this node measured, then what the publisher declared.',
  })
  registry.registerProvider('rankers', 'speed', createSpeedRanker, {
    capabilities: ['speed'],
    documentation: 'Prefers the quicker start: what this node measured, then what the publisher declared.',
  })
  registry.registerProvider('rankers', 'battery', createBatteryRanker, {
    capabilities: ['battery'],
    documentation: 'Prefers the smaller package: fewer bytes to move and to compile.',
  })
}
