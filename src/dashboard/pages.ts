import type { FunctionComponent } from 'preact'
import type { Place } from './route.ts'

export interface PageProps {
  readonly place: Place
}

/** A page: its place in the address, its name, and its code, which is loaded when it is first looked at. */
export interface Page {
  readonly path: string
  readonly title: string
  load(): Promise<{ readonly default: FunctionComponent<PageProps> }>
}

export const PAGES: readonly Page[] = [
  { path: 'overview', title: 'Overview', load: () => import('./pages/overview.tsx') },
  { path: 'cells', title: 'Cells', load: () => import('./pages/cells.tsx') },
  { path: 'ask', title: 'Ask', load: () => import('./pages/ask.tsx') },
  { path: 'federation', title: 'Federation', load: () => import('./pages/federation.tsx') },
  { path: 'goals', title: 'Goals', load: () => import('./pages/goals.tsx') },
  { path: 'log', title: 'Log', load: () => import('./pages/log.tsx') },
  { path: 'queries', title: 'Queries', load: () => import('./pages/queries.tsx') },
  { path: 'memory', title: 'Memory', load: () => import('./pages/memory.tsx') },
  { path: 'settings', title: 'Settings', load: () => import('./pages/settings.tsx') },
]
