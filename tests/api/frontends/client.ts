// What docs/examples/erpgres.ts promises, tried on the running stack. Prints what it saw; the test judges it.
import { ask, Conflict, connect, ErpgresError, pages, total, update, uuidv7, type Erp } from './erpgres.js'
import type { Database } from './database.js'

declare const process: { argv: string[] }
type Url = 'plain' | 'unsent' | 'unanswered' | 'torn' | 'busy' | 'dead' | 'expiring' | 'remembering'
const given: { urls: Record<Url, string>; token: string; expired: string } = JSON.parse(process.argv[2] ?? '')

const at = (url: Url, options = {}) => connect<Database>(given.urls[url], { token: () => given.token, ...options })
const erp = at('plain')
const said: Record<string, unknown> = {}

async function refused(attempt: () => PromiseLike<unknown>): Promise<ErpgresError> {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof ErpgresError) return error
    throw error
  }
  throw new Error('it was not refused')
}

// ---- pages and totals

const list = () => erp.from('partners').select('id, code, name').like('code', 'P%')
const collect = async (options: Parameters<typeof pages<{ id: string; code: string; name: string }>>[1]) => {
  const found: string[][] = []
  for await (const page of pages(list, options)) found.push(page.map((row) => row.code))
  return found
}
said.newest = await collect({ size: 10 })
said.byName = await collect({ by: 'name', ascending: true, size: 10 })
said.byNameDown = await collect({ by: 'name', size: 10 })
said.total = await total(list)
said.capped = await total(() => erp.from('partners').select('id'))
said.byNothing = await (async () => {
  try {
    for await (const _ of pages(() => erp.from('partners').select('id, tax_id'), { by: 'tax_id', size: 10 }));
  } catch (error) {
    return String(error)
  }
})()

// ---- errors

const unknown = await refused(() => ask(erp.from('partners').insert({ code: 'X', name: 'X', country_code: 'ZZ' })))
said.error = { ...unknown, message: unknown.message, isRetryable: unknown.isRetryable, name: unknown.name }

// ---- retries

const insert = (to: Erp<Database>, code: string) =>
  ask(to.from('partners').insert({ code, name: code }).select('id, code').single())
for (const url of ['unsent', 'unanswered', 'torn'] as const) said[url] = (await insert(at(url), url.toUpperCase())).code
const begun = Date.now()
said.busy = (await ask(at('busy').from('partners').select('code').eq('code', 'TORN').single())).code
said.waited = Date.now() - begun
const dead = await refused(() => insert(at('dead', { attempts: 3 }), 'DEAD'))
said.dead = [dead.code, dead.status, dead.isRetryable, dead.requestId]
const key = uuidv7()
const twice = () => ask(erp.from('partners').insert({ code: 'KEY', name: 'Key' }).setHeader('Idempotency-Key', key).select().single())
said.kept = [(await twice()).id, (await twice()).id]
said.keyless = await ask(erp.rpc('api_key_create', { name: 'Scanner', permissions: [] }))

// ---- conditional requests

const remembering = at('remembering')
const names = () => ask(remembering.from('partners').select('id, version, name').eq('code', 'KEY').single())
const first = await names()
said.same = JSON.stringify(await names()) === JSON.stringify(first)
const changed = await update(erp, 'partners', first, { name: 'Key Ltd' })
said.changed = [changed.name, changed.version - first.version, (await names()).name]
const conflict = await refused(() => update(erp, 'partners', first, { name: 'Key GmbH' }))
said.conflict = conflict instanceof Conflict && [conflict.code, conflict.status, conflict.current?.name]

// ---- tokens

let renewals = 0
const expiring = at('expiring', {
  token: async (renew: boolean) => (renew ? ((renewals += 1), given.token) : given.expired),
})
const fresh = await Promise.all([1, 2, 3].map(() => ask(expiring.from('partners').select('code').eq('code', 'KEY'))))
said.renewed = [fresh.map((rows) => rows.length), renewals]
const never = await refused(() => ask(at('plain', { token: () => given.expired }).from('partners').select('code')))
said.expired = [never.code, never.status]

// ---- what does not compile

// @ts-expect-error: no such column
void (() => update(erp, 'partners', first, { nmae: 'x' }))
// @ts-expect-error: no such view
void (() => update(erp, 'partnrs', first, { name: 'x' }))
// @ts-expect-error: not a column that is selected
void (() => pages(list, { by: 'status' }))
// @ts-expect-error: a cursor needs the id
void (() => pages(() => erp.from('partners').select('code')))
// @ts-expect-error: not a column of what is returned
void (() => changed.nmae)

console.log(JSON.stringify(said))
