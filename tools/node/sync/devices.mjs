// WatermelonDB databases that are told what to do: one JSON object a line in, one a line out.
// node devices.mjs FOLDER EXAMPLE, where FOLDER holds node_modules and EXAMPLE is docs/examples/sync.mjs.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

process.env.NODE_ENV = 'production';
const load = createRequire(pathToFileURL(join(process.argv[2], 'node_modules', '@nozbe', 'watermelondb', 'index.js')));
const { Database, Model, appSchema, tableSchema } = load('@nozbe/watermelondb');
const { schemaMigrations, createTable, addColumns } = load('@nozbe/watermelondb/Schema/migrations');
const { setGenerator } = load('@nozbe/watermelondb/utils/common/randomId');
const { default: LokiJSAdapter } = load('@nozbe/watermelondb/adapters/lokijs');
const { default: logger } = load('@nozbe/watermelondb/utils/common/logger');
const { synchronize, hasUnsyncedChanges } = load('@nozbe/watermelondb/sync');
const { LokiMemoryAdapter } = load('lokijs');
const { Sync, migrationsOf, schemaOf, uuid7 } = await import(pathToFileURL(process.argv[3]));

const devices = new Map();
const complaints = [];
logger.silence();
console.error = (...words) => complaints.push(words.join(' '));
console.warn = console.error;
console.log = () => {};

let offset = 0;
setGenerator(() => uuid7(Date.now() + offset));

function opened(device, adapter) {
  const classes = Object.keys(adapter.schema.tables).map(
    (name) => class extends Model {
      static table = name;
    },
  );
  device.database = new Database({ adapter, modelClasses: classes });
  device.sync = new Sync({
    database: device.database,
    synchronize,
    device: device.id,
    call: (name, body) => call(device, name, body),
  });
}

async function call(device, name, body) {
  if (name === 'sync_push' && device.held) {
    device.held.arrived();
    await device.held.released;
  }
  // The app thinks that it has applied an answer that never came.
  if (name === 'sync_pull' && device.bug === 'cursor' && device.skipped) body = { ...body, last_pulled_at: device.skipped };
  const answer = await fetch(`${device.url}/rpc/${name}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${device.token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(`${name}: ${said.message} (${said.code})`), said, { status: answer.status });
  device.calls[name] = (device.calls[name] ?? 0) + 1;
  if (name === 'sync_pull') device.skipped = null;
  if (device.lose === name) {
    device.lose = null;
    if (name === 'sync_pull') device.skipped = said.timestamp;
    throw Object.assign(new Error('the answer was lost'), { code: 'lost' });
  }
  return said;
}

const found = (device, table, id) => device.database.get(table).find(id);

const operations = {
  async open({ id, url, token, columns, version, bug }) {
    const device = { id, url, token, columns, bug, calls: {}, offset: 0 };
    devices.set(id, device);
    const schema = schemaOf({ appSchema, tableSchema }, columns, version);
    const migrations = migrationsOf({ schemaMigrations, createTable, addColumns }, columns, version);
    opened(device, new LokiJSAdapter({
      schema, migrations, dbName: id, useWebWorker: false, useIncrementalIndexedDB: false,
      _testLokiAdapter: new LokiMemoryAdapter(),
    }));
    await device.database.localStorage.get('ready');
  },
  async upgrade({ id, version }) {
    const device = devices.get(id);
    const schema = schemaOf({ appSchema, tableSchema }, device.columns, version);
    const migrations = migrationsOf({ schemaMigrations, createTable, addColumns }, device.columns, version);
    opened(device, await device.database.adapter.underlyingAdapter.testClone({ schema, migrations }));
    await device.database.localStorage.get('ready');
  },
  async set({ id, ...values }) {
    Object.assign(devices.get(id), values);
  },
  // actions: [{table, id, values}] creates (id null) or updates, [{table, id, is_deleted}] removes. Returns the ids.
  async write({ id, actions }) {
    const device = devices.get(id);
    const ids = [];
    await device.database.write(async () => {
      for (const action of actions) {
        const fill = (record) => Object.entries(action.values ?? {}).forEach(([name, value]) => record._setRaw(name, value));
        if (action.is_deleted) {
          await (await found(device, action.table, action.id)).markAsDeleted();
          ids.push(action.id);
        } else if (action.id) {
          await (await found(device, action.table, action.id)).update(fill);
          ids.push(action.id);
        } else {
          offset = device.offset;
          const values = action.parent ? { ...action.values, [action.parent.column]: ids[action.parent.index] } : action.values;
          action.values = values;
          ids.push((await device.database.get(action.table).create(fill)).id);
        }
      }
    });
    return ids;
  },
  async sync({ id, lose }) {
    const device = devices.get(id);
    device.lose = lose ?? null;
    await device.sync.run().finally(() => {
      device.lose = null;
    });
    return { refusals: device.sync.refusals };
  },
  // Up to the moment before the push.
  async sync_begin({ id }) {
    const device = devices.get(id);
    let release;
    const held = { released: new Promise((resolve) => { release = resolve; }), release };
    held.release = release;
    const arrived = new Promise((resolve) => { held.arrived = resolve; });
    device.held = held;
    device.run = device.sync.run().then(() => null, (error) => error);
    await Promise.race([arrived, device.run]);
  },
  async sync_end({ id }) {
    const device = devices.get(id);
    const { held } = device;
    device.held = null;
    held.release();
    const error = await device.run;
    if (error) throw error;
    return { refusals: device.sync.refusals };
  },
  // What was refused by the last synchronisation.
  async discard({ id }) {
    const { sync } = devices.get(id);
    const rows = sync.rejected;
    if (Object.keys(rows).length) await sync.discard();
    return rows;
  },
  async dump({ id }) {
    const device = devices.get(id);
    const { database } = device;
    const tables = {};
    for (const table of Object.keys(database.schema.tables)) {
      const rows = await database.get(table).query().unsafeFetchRaw();
      tables[table] = rows.map(({ $loki, meta, ...row }) => row);
    }
    return { tables, is_dirty: await hasUnsyncedChanges({ database }), calls: device.calls, complaints: complaints.splice(0) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, n, ...given } = JSON.parse(line);
  // Not awaited: a device that is held must not hold the others.
  operations[op](given).then(
    (result) => process.stdout.write(`${JSON.stringify({ n, result: result ?? null })}\n`),
    (error) => process.stdout.write(`${JSON.stringify({ n, error: error.message, code: error.code ?? null, details: error.details ?? null })}\n`),
  );
}
