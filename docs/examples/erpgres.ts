// What a frontend adds to postgrest-js: pages, totals, errors, retries, conflicts (docs/frontends.md).
import { PostgrestClient, type PostgrestFilterBuilder } from '@supabase/postgrest-js'

type Version = { PostgrestVersion: '12' }
type Name<D> = 'api' & keyof Omit<D, '__InternalSupabase'>
type Views<D> = D extends { api: { Views: infer V } } ? V : never
type Query<Result> = { throwOnError(): PromiseLike<{ data: Result }> }
type List<Row> = PostgrestFilterBuilder<any, any, any, Row[], any, any, any>

export type Erp<D> = PostgrestClient<D, Version, Name<D>>
export type Total = { count: number; isExact: boolean; text: string }
export type Options = {
  token?: (renew: boolean) => string | Promise<string> // renew: the one before has expired
  attempts?: number // of one request
  patience?: number // seconds for all attempts and what is waited between them
  timeout?: number // seconds for one attempt
  keep?: number // answers remembered for If-None-Match
}

/** The client of the API, one for each user and organisation; `D` is what `erpgres types typescript` writes. */
export function connect<D>(url: string, options: Options = {}): Erp<D> {
  const own = { schema: 'api' as Name<D>, fetch: resilient(options), retry: false }
  return new PostgrestClient<D, Version, Name<D>>(`${url}/api`, own)
}

// ---- errors ---------------------------------------------------------------------------------------------------------

const UNREACHABLE = { code: 'client.unreachable', message: 'The service cannot be reached.' }
const KEYLESS = /^(core\.idempotency_key_refused|gateway\.key_)/ // nothing was done, and without a key it may be
const BUSY = ['gateway.busy', 'core.request_in_flight']

/** Any refusal or failure. `code` is stable, `message` may be shown, `requestId` finds the request in the log. */
export class ErpgresError extends Error {
  code: string
  details: string | null
  hint: string | null

  status: number
  requestId: string
  retryAfter: number // seconds

  constructor(told: any, status: number, requestId: string, retryAfter = 0, cause?: unknown) {
    super(told?.message || `The request was answered with ${status}.`, { cause })
    this.name = 'ErpgresError'
    this.code = told?.code || `http_${status}`
    this.details = told?.details ?? null
    this.hint = told?.hint ?? null
    this.status = status
    this.requestId = requestId
    this.retryAfter = retryAfter
  }

  /** Nothing is wrong with the request: sent again, with its key, it may succeed. */
  get isRetryable(): boolean {
    return [0, 429, 502, 503, 504].includes(this.status) || BUSY.includes(this.code)
  }
}

/** Somebody changed the row meanwhile: `current` is what it holds now, null when it is gone. */
export class Conflict<Row> extends ErpgresError {
  current: Row | null

  constructor(error: ErpgresError, current: Row | null) {
    super(error, error.status, error.requestId, 0, error)
    this.current = current
  }
}

// ---- requests -------------------------------------------------------------------------------------------------------

/** Sends a query and returns its data; every error is an ErpgresError. */
export async function ask<Result>(query: Query<Result>): Promise<Result> {
  return (await query.throwOnError()).data
}

/** The pages of a list by cursor: the id, or a column that is never null and the id. `list` makes each page's query. */
export async function* pages<Row extends { id: string }>(
  list: () => List<Row>,
  { by = 'id', ascending = false, size = 100 }: { by?: string & keyof Row; ascending?: boolean; size?: number } = {},
): AsyncGenerator<Row[], void> {
  const [beyond, from] = ascending ? (['gt', 'gte'] as const) : (['lt', 'lte'] as const)
  for (let last: Row | undefined; ; ) {
    let query = list().order(by, { ascending }).limit(size)
    if (by !== 'id') query = query.order('id', { ascending })
    if (last && by === 'id') query = query.filter('id', beyond, last.id)
    else if (last) {
      const value = `"${String(last[by]).replace(/["\\]/g, '\\$&')}"`
      query = query.filter(by, from, last[by]).or(`${by}.${beyond}.${value},id.${beyond}.${last.id}`)
    }
    const page = await ask(query)
    if (page.length > 0) yield page
    if (page.length < size) return
    last = page[size - 1]
    if (last?.[by] == null) throw new Error(`${by} is null in a row: a cursor needs another column`)
  }
}

/** How many rows a list has: exactly up to 10,000, else "10000+". */
export async function total(list: () => List<any>): Promise<Total> {
  const { count } = await list().limit(1).setHeader('Prefer', 'count=exact').throwOnError()
  const isExact = count !== null && !Number.isNaN(count)
  return isExact ? { count, isExact, text: `${count}` } : { count: 10000, isExact, text: '10000+' }
}

/** Changes a row as it was read and returns it as it is now; throws a Conflict when somebody else was quicker. */
export async function update<D, V extends string & keyof Views<D>>(
  erp: Erp<D>,
  view: V,
  row: { id: string; version: number },
  change: Views<D>[V] extends { Update: infer Update } ? Update : never,
): Promise<Views<D>[V] extends { Row: infer Row } ? Row : never> {
  const rows = () => (erp as unknown as PostgrestClient).from(view)
  try {
    return await ask(rows().update(change).eq('id', row.id).setHeader('If-Match', `"${row.version}"`).select().single())
  } catch (error) {
    if (!(error instanceof ErpgresError) || error.status !== 412) throw error
    throw new Conflict(error, await ask(rows().select().eq('id', row.id).maybeSingle()))
  }
}

/** An id in time order (UUID version 7): for rows, and for keys of intents. */
export function uuidv7(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  const rest = crypto.randomUUID().replace(/^.{15}/, '7')
  return `${time.slice(0, 8)}-${time.slice(8)}-${rest}`
}

// ---- the way there and back: token, key, condition, retries ------------------------------------------------------------

function resilient({ token, attempts = 6, patience = 30, timeout = 60, keep = 200 }: Options): typeof fetch {
  const kept = new Map<string, { tag: string; body: string; answer: Response }>()
  let bearer: Promise<string> | undefined
  const ask = (renew: boolean) => {
    const asked = Promise.resolve(renew).then(token!)
    asked.catch(() => (bearer = undefined))
    return (bearer = asked)
  }

  return async (input, init = {}) => {
    const headers = new Headers(init.headers)
    const reads = ['GET', 'HEAD'].includes(init.method ?? 'GET')
    const given = headers.get('Idempotency-Key')
    const intent = given ?? uuidv7()
    if (!reads && token) headers.set('Idempotency-Key', intent)
    headers.set('X-Request-ID', intent)
    const name = [init.method, input, headers.get('Accept'), headers.get('Prefer')].join(' ')
    const known = kept.get(name)
    if (reads && known) headers.set('If-None-Match', known.tag)
    const end = Date.now() + patience * 1000

    for (let attempt = 1, renewed = false; ; attempt++) {
      const used = token && (bearer ?? ask(false))
      if (used) headers.set('Authorization', `Bearer ${await used}`)
      const signal = AbortSignal.any([AbortSignal.timeout(timeout * 1000), ...(init.signal ? [init.signal] : [])])
      let error: ErpgresError
      try {
        const answer = await fetch(input, { ...init, headers, signal, cache: 'no-store' })
        if (answer.status === 304 && known) return new Response(known.body, known.answer)
        const body = await answer.text()
        const tag = answer.headers.get('ETag')
        if (answer.ok && reads && tag) {
          kept.delete(name)
          kept.set(name, { tag, body, answer })
          if (kept.size > keep) kept.delete(kept.keys().next().value!)
        }
        if (answer.ok) return new Response(body || null, answer)
        error = refused(answer, body, intent)
      } catch (cause) {
        if (init.signal?.aborted) throw cause
        error = new ErpgresError(UNREACHABLE, 0, intent, 0, cause)
      }
      if (error.code === 'gateway.token_expired' && token && !renewed) {
        renewed = true
        if (bearer === used) void ask(true)
        continue
      }
      if (KEYLESS.test(error.code) && !given && headers.has('Idempotency-Key')) {
        headers.delete('Idempotency-Key')
        continue
      }
      const isSafe = reads || headers.has('Idempotency-Key') || error.status === 429
      const wait = error.retryAfter * 1000 + Math.random() * 100 * 2 ** attempt
      if (!error.isRetryable || !isSafe || attempt >= attempts || Date.now() + wait > end) throw error
      await new Promise((resume) => setTimeout(resume, wait))
    }
  }
}

function refused(answer: Response, body: string, intent: string): ErpgresError {
  let told: unknown
  try {
    told = JSON.parse(body)
  } catch {
    told = { message: body || answer.statusText }
  }
  const id = answer.headers.get('X-Request-ID') ?? intent
  return new ErpgresError(told, answer.status, id, Number(answer.headers.get('Retry-After')) || 0)
}
