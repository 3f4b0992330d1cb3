import { type Static, Type } from 'typebox'
import { BATCH_LIMITS } from '../../../protocol/batch.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { FollowPolicy, REPLICATION_LIMITS } from '../../../protocol/replication.ts'

const closed = { additionalProperties: false } as const
const RateLimit = Type.Integer({ minimum: 0, maximum: 1_000_000_000 })
/** What a tier of operators allows. 0: no limit. */
const TierLimits = Type.Object(
  {
    per_minute: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
    per_day: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
    batch_size: Type.Integer({ minimum: 1, maximum: BATCH_LIMITS.questions }),
  },
  closed,
)
const Port = Type.Integer({ minimum: 0, maximum: 65535 })
const Text = Type.Union([Type.String({ maxLength: 2000 }), Type.Null()])
const Link = Type.Union([
  Type.String({ pattern: '^https?://[^\\s/]\\S*$', description: 'a URL that starts with http:// or https://' }),
  Type.Null(),
])

/** A moment in ISO 8601 with its offset from UTC: a time of the local clock would mean another moment on another machine. */
const Instant = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,3})?)?(Z|[+-]\\d\\d:\\d\\d)$',
})

/** Which provider of a package is used, and its configuration. The provider's own schema checks the fields. */
const ProviderChoice = Type.Object(
  { provider_name: Type.String({ minLength: 1 }) },
  { additionalProperties: true, description: 'a mapping with provider_name and the fields of that provider' },
)

/** Marks keys that only a configuration file may set: what code runs is decided by who may write that file. */
const fileOnly = { fileOnly: true } as const

/** PEM files, or what the node makes itself. */
const CertificateFiles = Type.Object(
  { cert: Type.String({ minLength: 1 }), key: Type.String({ minLength: 1 }) },
  { ...closed, description: 'a mapping with cert and key, paths of PEM files' },
)
const SelfSigned = Type.Object(
  { self_signed: Type.Literal(true) },
  { ...closed, description: 'a mapping with self_signed: true' },
)

export const LogLevel = Type.Union(
  ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => Type.Literal(level)),
)

/** Every key of the configuration. `config/default.yaml` documents them and holds the defaults; a test keeps both equal. */
export const ConfigSchema = Type.Object(
  {
    /** Store, packages, `node.json` and `admin.key`. Null: `$XDG_DATA_HOME/cytoplex`, else `~/.local/share/cytoplex`. */
    data_dir: Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
    /** Identity and wrapping keys. Null: `<data_dir>.keys`. */
    key_dir: Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
    network: Type.Object(
      {
        /** Part of every signature and protocol id: nodes of different networks never meet. */
        name: Type.String({
          pattern: '^[a-z0-9][a-z0-9-]{0,31}$',
          description: 'lower-case letters, digits and hyphens, at most 32, not starting with a hyphen',
        }),
      },
      closed,
    ),
    node: Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: 128 }),
        description: Type.String({ maxLength: 2000 }),
        documentation_url: Link,
        contact_website: Link,
        contact_email: Text,
        contact_support_url: Link,
        /** When the operator works on the node: then its status is `maintenance`. */
        maintenance: Type.Array(
          Type.Object(
            { start_time: Instant, end_time: Instant, description: Type.String({ minLength: 1, maxLength: 500 }) },
            {
              ...closed,
              description: 'a mapping with start_time, end_time (such as 2026-01-31T22:00:00Z) and description',
            },
          ),
          { ...fileOnly, maxItems: 100 },
        ),
      },
      closed,
    ),
    http: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Port,
        /** Base of `download_url`; null: the request's Host. */
        public_url: Link,
        /** Host names beside `localhost` and address literals that requests may name. */
        allowed_hosts: Type.Array(Type.String({ minLength: 1 })),
        /** Origins of web pages that may call this node. */
        allowed_origins: Type.Array(
          Type.String({
            pattern: '^https?://[^\\s/]+$',
            description: 'an origin such as https://app.example, without a path',
          }),
        ),
        /** Addresses or CIDR ranges of proxies whose `X-Forwarded-*` headers count. */
        trusted_proxies: Type.Array(Type.String({ minLength: 1 })),
        /** Whether reading (asking, downloading, listing) needs no key. */
        open_reading: Type.Boolean(),
        /** The agent network's key: what contributions to goals are sent with. Null: they need none. */
        api_key: Type.Union([
          Type.String({
            pattern: '^[\\x21-\\x7e]{8,256}$',
            description: '8 to 256 visible ASCII characters, without spaces',
          }),
          Type.Null(),
        ]),
        /** Certificates of the listeners; null: plain HTTP. */
        tls: Type.Union([CertificateFiles, SelfSigned, Type.Null()], fileOnly),
        /** A second listener, for those who expect events on a port of their own; null: none. */
        ws_port: Type.Union([Port, Type.Null()]),
        /** Requests per minute: of an address without a key, and of one key of each role. 0: no limit. */
        rate_per_minute: Type.Object(
          { anonymous: RateLimit, reader: RateLimit, publisher: RateLimit, admin: RateLimit },
          {
            ...closed,
            ...fileOnly,
            description: 'a mapping of all of anonymous, reader, publisher and admin to whole numbers',
          },
        ),
      },
      closed,
    ),
    p2p: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Port,
        /** Multiaddrs to listen on instead of `host` and `port`. */
        listen: Type.Array(Type.String({ pattern: '^/', description: 'a multiaddr such as /ip6/::/tcp/9000' }), {
          maxItems: 16,
        }),
        /** Multiaddrs to announce instead of those listened on. */
        announce: Type.Array(
          Type.String({ pattern: '^/', description: 'a multiaddr such as /ip4/192.0.2.1/tcp/9000' }),
        ),
        /** `/ip4/…/tcp/…[/p2p/…]`, `tcp://host:port` or `host:port`. */
        seeds: Type.Array(
          Type.String({ minLength: 1, description: '/ip4/…/tcp/…[/p2p/…], tcp://host:port or host:port' }),
        ),
        max_connections: Type.Integer({ minimum: 1, maximum: 100_000 }),
        /** New inbound connections per second and address. */
        inbound_per_second: Type.Integer({ minimum: 1, maximum: 100_000 }),
        /** Whether this node answers the DHT's queries; `auto`: where others can dial it. */
        dht_mode: Type.Union([Type.Literal('auto'), Type.Literal('server'), Type.Literal('client')]),
        /** Whether peers are looked for on the local network. */
        mdns: Type.Boolean(),
        /** Gossip and control messages of one peer. */
        messages_per_second: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
        /** The same, at once. */
        message_burst: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
        /** Requests of one peer for cells, packages and what proves them. */
        requests_per_second: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
        /** Bytes of packages per second, to all peers and from all peers; 0: no cap. */
        upload_bytes_per_second: Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }),
        download_bytes_per_second: Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }),
        /** Whether connections through other nodes are used, and whether this node is one. */
        relay: Type.Union([Type.Literal('off'), Type.Literal('client'), Type.Literal('server')]),
        /** Whether relayed connections are replaced by direct ones where that works. */
        hole_punching: Type.Boolean(),
      },
      closed,
    ),
    cells: Type.Object(
      {
        max_package_bytes: Type.Integer({ minimum: 1, maximum: LIMITS.packageBytes }),
        /** Whether the node signs manifests of uploads that come without one. */
        sign_uploads: Type.Boolean(),
        /** Milliseconds that opening a package may take. */
        validation_timeout_ms: Type.Integer({ minimum: 100, maximum: 600_000 }),
      },
      closed,
    ),
    cache: Type.Object(
      {
        /** Bytes of other nodes' packages to keep; 0 keeps none. */
        max_bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        /** Part of it that one publisher may fill. */
        per_publisher_percent: Type.Integer({ minimum: 1, maximum: 100 }),
      },
      closed,
    ),
    publishers: Type.Object(
      {
        /** Publishers that this operator vouches for. */
        pinned: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$', description: '64 hexadecimal digits' })),
        /** Whose cells are taken from other nodes: `any`, or only those `pinned`. */
        accept: Type.Union([Type.Literal('any'), Type.Literal('pinned')]),
      },
      closed,
    ),
    /** What copies are kept of. */
    follow: Type.Array(FollowPolicy, { ...fileOnly, maxItems: REPLICATION_LIMITS.policies }),
    directory: Type.Object(
      {
        /** Cells of other nodes that are remembered. */
        max_cells: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
        /** The same for one node. */
        max_cells_per_provider: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
      },
      closed,
    ),
    announcements: Type.Object(
      {
        /** Seconds that an announcement lives; it is refreshed at half of that. */
        lifetime_seconds: Type.Integer({ minimum: 10, maximum: LIMITS.announcementLifetimeMs / 1000 }),
      },
      closed,
    ),
    sync: Type.Object(
      {
        /** Seconds between two rounds of reconciling with a peer. */
        interval_seconds: Type.Integer({ minimum: 1, maximum: 3600 }),
      },
      closed,
    ),
    health: Type.Object(
      {
        /** Peers from which on the node counts as ready. Null: as many as there are seeds, three at most. */
        min_peers_for_ready: Type.Union([Type.Integer({ minimum: 0, maximum: 100_000 }), Type.Null()]),
        /** Records that a peer has and this node lacks, above which it is not ready. */
        max_sync_lag_for_ready: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
        /** Whether there is a listener of its own for health and metrics. */
        enable_server: Type.Boolean(),
        port: Port,
      },
      closed,
    ),
    /** Where the roots of this node's logs are committed, so that others can hold it to them; `providers.anchors` says to whom. */
    anchors: Type.Object(
      {
        /** Seconds after which a log that grew is committed. */
        commit_interval_seconds: Type.Integer({ minimum: 1, maximum: 86_400 }),
        /** New leaves from which on it is committed at once. */
        commit_threshold: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
        /** Whether the anchor `tau` is one of them, at `tau_host` and `tau_port`. */
        commit_to_tau: Type.Boolean(),
        tau_host: Type.String({ minLength: 1, maxLength: 253 }),
        tau_port: Type.Integer({ minimum: 1, maximum: 65_535 }),
      },
      closed,
    ),
    goals: Type.Object(
      {
        /** Whether contributions are taken from clients. */
        accept_contributions: Type.Boolean(),
        /** Of one contributor; what is faster waits. 0: no limit. */
        contributions_per_minute: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
        /** On disk, of the contributions to one goal. */
        max_bytes_per_goal: Type.Integer({ minimum: 1_048_576, maximum: 1_000_000_000_000_000 }),
        /** A key of the document that decides nothing here: every node evaluates for itself (SECURITY 27), and takes no other's word. */
        serve_evaluations: Type.Boolean(),
      },
      closed,
    ),
    /** Signed questions of operators, and answers that carry their proof. */
    assurance: Type.Object(
      {
        /** Milliseconds for an answer. */
        query_timeout_ms: Type.Integer({ minimum: 100, maximum: 600_000 }),
        /** What the tiers allow. */
        tiers: Type.Object(
          { free: TierLimits, standard: TierLimits, enterprise: TierLimits },
          {
            ...closed,
            ...fileOnly,
            description: 'a mapping of all of free, standard and enterprise to per_minute, per_day and batch_size',
          },
        ),
        /** Hours that the answers of a batch are kept once it is finished. */
        batch_retention_hours: Type.Integer({ minimum: 1, maximum: 8760 }),
        /** Bytes of kept answers from which on no further batch is taken. */
        batch_bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        /** Days after which the key that signs proofs is replaced. */
        proof_key_days: Type.Integer({ minimum: 1, maximum: 3650 }),
        /** Whether webhooks may lead to private and loopback addresses, without TLS too. */
        webhooks_allow_private: Type.Boolean(),
      },
      closed,
    ),
    /** Sessions and conversations that remember. */
    memory: Type.Object(
      {
        /** A file whose first line is the passphrase that locks `memory.key`; null: none. */
        passphrase_file: Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
        /** Minutes that a session token is in force. */
        token_minutes: Type.Integer({ minimum: 1, maximum: 525_600 }),
        /** Bytes of one session on disk, and of all of them. */
        session_bytes: Type.Integer({ minimum: 1_048_576, maximum: 1_000_000_000_000 }),
        max_bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        max_sessions: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
        /** Bytes of the exports of all sessions on disk. */
        export_bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        /** Tokens of the prompt of a chat completion that what was remembered takes, at most. */
        context_tokens: Type.Integer({ minimum: 256, maximum: 131_072 }),
        /** Bytes of indexes of sessions in memory. */
        index_bytes: Type.Integer({ minimum: 1_048_576, maximum: Number.MAX_SAFE_INTEGER }),
        /** Requests per minute of one session; those of `session` also limit how many an address may create. 0: no limit. */
        rate_per_minute: Type.Object(
          {
            session: RateLimit,
            conversation: RateLimit,
            context: RateLimit,
            chat: RateLimit,
            analytics: RateLimit,
            total: RateLimit,
          },
          {
            ...closed,
            ...fileOnly,
            description:
              'a mapping of all of session, conversation, context, chat, analytics and total to whole numbers',
          },
        ),
      },
      closed,
    ),
    receipts: Type.Object(
      {
        /** Providers that are probed per minute; 0 probes none. */
        probes_per_minute: Type.Integer({ minimum: 0, maximum: 600 }),
        /** Nodes whose receipts and yanks count like those of partners. */
        witnesses: Type.Array(
          Type.String({ pattern: '^[1-9A-HJ-NP-Za-km-z]{46,62}$', description: 'the provider id of a node' }),
        ),
      },
      closed,
    ),
    federation: Type.Object(
      {
        enabled: Type.Boolean(),
        /** What the federation is called; null: the name of the network. */
        id: Text,
        name: Text,
        /** Policies of partners for whom nothing else was said. */
        auto_forward: Type.Boolean(),
        capability_sharing: Type.Boolean(),
        analytics_sharing: Type.Boolean(),
      },
      closed,
    ),
    /** npm packages that are imported at start. They have the node's full trust. */
    plugins: Type.Array(
      Type.Object(
        {
          name: Type.String({ minLength: 1 }),
          version: Type.String({ pattern: '^\\d+\\.\\d+\\.\\d+(-[0-9A-Za-z.-]+)?$' }),
          optional: Type.Optional(Type.Boolean()),
        },
        {
          ...closed,
          description:
            'a mapping with name (of an npm package, or ./path), version (exact) and, if wanted, optional: true',
        },
      ),
      fileOnly,
    ),
    /** The provider of each package that this node uses; `cytoplex providers` lists what there is. */
    providers: Type.Object(
      {
        blob_store: Type.Object(ProviderChoice.properties, { ...ProviderChoice, ...fileOnly }),
        /** Asked in this order whether a package without a format is theirs. */
        validators: Type.Array(ProviderChoice, { ...fileOnly, minItems: 1 }),
        /** Who verifies the proofs that goals ask for, each for its kind. */
        proof_verifiers: Type.Array(ProviderChoice, fileOnly),
        /** Runs the evaluators of goals. */
        evaluators: Type.Object(ProviderChoice.properties, { ...ProviderChoice, ...fileOnly }),
        /** Composes answers to questions. */
        llms: Type.Object(ProviderChoice.properties, { ...ProviderChoice, ...fileOnly }),
        /** Says what texts of sessions mean. */
        embeddings: Type.Object(ProviderChoice.properties, { ...ProviderChoice, ...fileOnly }),
        /** By `optimization_priority`; `default` for requests without. */
        rankers: Type.Object(
          { default: ProviderChoice, memory: ProviderChoice, speed: ProviderChoice, battery: ProviderChoice },
          {
            ...closed,
            ...fileOnly,
            description: 'a mapping of default, memory, speed and battery to mappings with provider_name',
          },
        ),
        /** Each commits the logs; the name of one is its provider's. */
        anchors: Type.Array(ProviderChoice, { ...fileOnly, maxItems: 8 }),
        /** Who delivers events: the first that serves webhooks, and all that know themselves where events go. */
        notifiers: Type.Array(ProviderChoice, { ...fileOnly, maxItems: 8 }),
      },
      closed,
    ),
    events: Type.Object(
      {
        /** Node ids of keys that may listen to everything that happens, as the operator's. */
        operators: Type.Array(
          Type.String({ pattern: '^[0-9a-f]{40}$', description: 'a node id, 40 hexadecimal digits' }),
          {
            maxItems: 100,
          },
        ),
      },
      closed,
    ),
    log: Type.Object({ level: LogLevel }, closed),
  },
  closed,
)

/** The typed configuration. Keys as in `config/default.yaml`. */
export type Config = Omit<Static<typeof ConfigSchema>, 'data_dir' | 'key_dir' | 'plugins'> & {
  /** Absolute. */
  readonly data_dir: string
  /** Absolute. */
  readonly key_dir: string
  /** With the folder of the configuration file, which paths are relative to. */
  readonly plugins: readonly (Static<typeof ConfigSchema>['plugins'][number] & { readonly directory: string })[]
}
