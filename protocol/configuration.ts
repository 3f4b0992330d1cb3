import { type Static, Type } from 'typebox'

/** Answer to `GET /api/v1/configuration`: what the node runs with. Secrets are masked, paths as they were resolved. */
export const EffectiveConfiguration = Type.Object(
  {
    settings: Type.Array(
      Type.Object({
        /** Dotted, such as `http.port`. */
        key: Type.String(),
        value: Type.Unknown(),
        /** `default`, `file PATH`, `environment NAME` or `flag --x`. */
        origin: Type.String(),
      }),
    ),
  },
  { title: 'EffectiveConfiguration' },
)
export type EffectiveConfiguration = Static<typeof EffectiveConfiguration>
