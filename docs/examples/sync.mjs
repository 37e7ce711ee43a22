// Offline work with WatermelonDB against this API: schema, ids, conflicts, synchronisation. See docs/sync.md.
// The library is handed in by the app ({ appSchema, tableSchema } from '@nozbe/watermelondb' and so on).

/** A version 7 UUID: ids must be such, and the clock of the device need not be right to the day. */
export function uuid7(now = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 5, rest = now; i >= 0; i -= 1, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const grouped = (columns) => Map.groupBy
  ? Map.groupBy(columns, (column) => column.table_name)
  : columns.reduce((map, column) => map.set(column.table_name, [...(map.get(column.table_name) ?? []), column]), new Map());

const shape = (column) => ({ name: column.name, type: column.type, isOptional: true });

/** The schema of the app in a version. `columns` are the rows of GET /sync_columns, kept in a file when the app is built. */
export function schemaOf({ appSchema, tableSchema }, columns, version) {
  const known = columns.filter((column) => column.since_version <= version);
  return appSchema({
    version,
    tables: [...grouped(known)].map(([name, list]) => tableSchema({ name, columns: list.map(shape) })),
  });
}

/** The migrations up to a version: what is new in each. */
export function migrationsOf({ schemaMigrations, createTable, addColumns }, columns, version) {
  const migrations = [];
  for (let toVersion = 2; toVersion <= version; toVersion += 1) {
    const steps = [...grouped(columns)].flatMap(([table, list]) => {
      const added = list.filter((column) => column.since_version === toVersion).map(shape);
      if (!added.length) return [];
      const isNew = list.every((column) => column.since_version >= toVersion);
      return [isNew ? createTable({ name: table, columns: added }) : addColumns({ table, columns: added })];
    });
    migrations.push({ toVersion, steps });
  }
  return schemaMigrations({ migrations });
}

/** A row made here keeps what was typed here, until the server has said that it took it. */
export function conflictResolver(table, local, remote, resolved) {
  return local._status === 'created' ? { ...local } : resolved;
}

/** Synchronises one database. `call(function, body)` posts to /rpc/<function>, and throws errors that have a `code`. */
export class Sync {
  constructor({ database, synchronize, call, device, resolve = conflictResolver }) {
    Object.assign(this, { database, synchronize, call, device, resolve, rejected: {}, refusals: [], running: null });
  }

  /** Pull and push until both sides are even. Called again meanwhile, it is the same run. */
  run() {
    this.running ??= this.#run().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  async #run() {
    this.rejected = {};
    this.refusals = [];
    for (let turn = 0, more = true; more && turn < 50; turn += 1) {
      try {
        more = await this.#once();
      } catch (error) {
        // Somebody was quicker: the next pull merges what he did.
        if (!['events.sync_conflict', 'events.sync_behind'].includes(error.code)) throw error;
      }
    }
  }

  async #once() {
    let more = false;
    await this.synchronize({
      database: this.database,
      migrationsEnabledAtVersion: 1,
      conflictResolver: this.resolve,
      pullChanges: async ({ lastPulledAt, schemaVersion, migration }) => {
        const { has_more: hasMore, ...answer } = await this.call('sync_pull', {
          device: this.device,
          last_pulled_at: lastPulledAt,
          schema_version: schemaVersion,
          migration,
          tables: Object.keys(this.database.schema.tables),
        });
        more = hasMore;
        return answer;
      },
      pushChanges: async ({ changes, lastPulledAt }) => {
        const answer = await this.call('sync_push', { device: this.device, changes, last_pulled_at: lastPulledAt });
        this.refusals = answer.refusals;
        this.rejected = answer.experimentalRejectedIds;
        // Outcomes of commands, and what the server made of drafts, come with another pull.
        more ||= answer.has_more || this.#sent(changes) > this.#sent(answer.experimentalRejectedIds);
        return answer;
      },
    });
    return more;
  }

  #sent(sets) {
    return Object.values(sets).reduce((sum, set) => sum + (Array.isArray(set) ? set : Object.values(set).flat()).length, 0);
  }

  /** Throw away what was changed here, say after a refusal: the rows come back as they are on the server. */
  async discard(rows = this.rejected) {
    // First: the server must not think that they are here.
    await this.call('sync_reset', { device: this.device, rows });
    await this.database.write(async () => {
      for (const [table, ids] of Object.entries(rows)) {
        const removed = (await this.database.adapter.getDeletedRecords(table)).filter((id) => ids.includes(id));
        await this.database.adapter.destroyDeletedRecords(table, removed);
        const left = ids.filter((id) => !removed.includes(id));
        const records = await Promise.all(left.map((id) => this.database.get(table).find(id)));
        await this.database.batch(records.map((record) => record.prepareDestroyPermanently()));
      }
    });
  }
}
