// The gateway's rules. nginx.conf says when each function runs. Written for njs 0.7.9 (Debian 12) and later: no optional
// chaining, no for-of, no `??`. `site` is the object that js_preload_object made of gateway.json.
import crypto from 'crypto';

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'];

const WRITES = ['POST', 'PATCH', 'PUT', 'DELETE'];

// What a client may send twice: lists that neither PostgREST nor the database reads.
const REPEATABLE = ['accept-encoding', 'accept-language', 'cache-control', 'cookie', 'pragma', 'te', 'via'];

// Parameters of PostgREST that are no filter.
const NO_FILTER = ['select', 'order', 'limit', 'offset', 'columns', 'on_conflict'];
const OPERATOR = /^(not\.)*(eq|neq|gte?|lte?|i?like|i?match|in|is|isdistinct|(pl|ph|w)?fts|cs|cd|ov|sl|sr|nxr|nxl|adj)(\((any|all|[a-z_]+)\))?\../;

// User, role and organisation of a token; "-" for one that is absent.
const NAMES = /^[A-Za-z0-9_-]{1,64}( [A-Za-z0-9_-]{1,64}){2}$/;

// A total is counted up to so many rows.
const TOTAL_MAX = 10000;

// njs runs this file anew for every request: what only refusals and failures need is made when they need it.

// What a refusal says; nginx.conf holds the status of each.
function refusals() {
  return {
    method_not_allowed: ['This method is not offered.', 'Use GET, HEAD, POST, PATCH, PUT, DELETE or OPTIONS.'],
    header_repeated: ['A header was sent twice.', 'Send each header once; lists are separated by commas.'],
    token_invalid: ['The bearer token is not valid.', 'Sign in again.'],
    token_expired: ['The bearer token has expired.', 'Sign in again.'],
    not_found: ['There is nothing at this address.', 'GET /api/ lists what there is.'],
    profile_refused: ['Only the schema api is offered.', 'Leave out Accept-Profile and Content-Profile.'],
    plan_refused: ['Query plans are not offered.', 'Ask for application/json.'],
    count_refused: ['Only exact counts are offered.', 'Use Prefer: count=exact.'],
    range_refused: ['Pages are not asked for with Range headers.', 'Use the parameters limit and offset.'],
    query_malformed: ['The query string cannot be decoded.', 'Percent-encode the query as UTF-8.'],
    parameter_repeated: ['A parameter that may come once was sent twice.', 'Send limit, offset, order, select, columns and on_conflict once.'],
    limit_out_of_range: ['A limit is a number from 1 to 100.', 'Leave limit out for a page of 20, and ask for the next page with a filter on the last id.'],
    offset_out_of_range: ['An offset is a number from 0 on.', 'Better than an offset: a filter on the last id.'],
    key_malformed: ['The Idempotency-Key cannot be read.', 'Send 1 to 255 printable ASCII characters, best a UUID.'],
    key_needs_json: ['With an Idempotency-Key answers are JSON.', 'Name application/json first in Accept, or leave it out.'],
    key_needs_body: ['With an Idempotency-Key there is no return=headers-only.', 'Send Prefer: return=representation, or return=minimal.'],
    key_without_count: ['With an Idempotency-Key nothing is counted.', 'Leave count out of Prefer.'],
    filter_required: ['PATCH and DELETE need a filter.', 'Name the rows, for example ?id=eq.…'],
  };
}

function failures() {
  return {
    400: ['bad_request', 'The request is not valid HTTP.'],
    403: ['forbidden', 'This is not allowed.'],
    404: ['not_found', 'There is nothing at this address.'],
    405: ['method_not_allowed', 'This method is not offered.'],
    408: ['request_timeout', 'The request took too long to arrive.'],
    413: ['body_too_large', 'The request body is too large.'],
    414: ['uri_too_long', 'The address is too long.'],
    429: ['rate_limited', 'Too many requests.'],
    431: ['headers_too_large', 'The request headers are too large.'],
    500: ['internal', 'The gateway failed.'],
    503: ['upstream_unavailable', 'The service is not available at the moment.'],
    504: ['upstream_timeout', 'The service did not answer in time.'],
  };
}

// A server-side error whose SQLSTATE says that trying again is right. PostgREST has sent its status line before the
// body shows the code, so the status stays 500 and the code tells.
function busyErrors() {
  return {
    '40P01': ['gateway.busy', 'Another request held the same rows.', 'Send the request again.'],
    '55P03': ['gateway.busy', 'Another request held the same rows for too long.', 'Send the request again.'],
    '57014': ['gateway.statement_timeout', 'The request took too long and was given up.', 'Ask for less, or narrow the filter.'],
  };
}

// ---- reading the request: done once, then kept for the other functions that nginx calls for the same request --------

let request = null;

function look(r) {
  if (request === null) {
    const found = headers(r);
    const query = r.variables.args || '';
    request = {
      headers: found.all,
      repeated: found.repeated,
      path: r.variables.gateway_path || '',
      query: query,
      plain: (r.method === 'GET' || r.method === 'HEAD') && r.variables.gateway_plain === '1' && site.page_max >= 100,
      parameters: undefined,
      view: undefined, key: undefined, admission: undefined, answer: undefined, head: undefined,
      token: token(found.all.authorization),
    };
  }
  return request;
}

function headers(r) {
  const all = Object.create(null);
  let repeated = '';
  const pairs = r.rawHeadersIn;
  for (let i = 0; i < pairs.length; i++) {
    const name = pairs[i][0].toLowerCase();
    if (all[name] !== undefined && mayComeOnce(r, name)) {
      repeated = name;
    }
    all[name] = pairs[i][1];
  }
  return {all: all, repeated: repeated};
}

// Not so a trusted proxy's own line of X-Forwarded-For; nginx has read it, PostgREST does not get it.
function mayComeOnce(r, name) {
  return REPEATABLE.indexOf(name) < 0 &&
    !(name === 'x-forwarded-for' && r.variables.realip_remote_addr !== r.variables.remote_addr);
}

// Read when it is needed, which it is not for most requests.
function parametersOf(seen) {
  if (seen.parameters === undefined) {
    seen.parameters = parameters(seen.query);
  }
  return seen.parameters;
}

// Returns a list of [name, value], or null when the query is not UTF-8. PostgREST's parser takes `;` for `&`.
// This runs for every request: a regular expression or a closure here costs as much as all the rest.
function parameters(query) {
  if (query === '') {
    return [];
  }
  const list = [];
  // Most have nothing to decode.
  const coded = /[%+;]/.test(query);
  const parts = coded ? query.replace(/;/g, '&').split('&') : query.split('&');
  try {
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      const at = part.indexOf('=');
      const pair = at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
      list.push(coded ? [plain(pair[0]), plain(pair[1])] : pair);
    }
  } catch (e) {
    return null;
  }
  return list;
}

function plain(text) {
  if (text.indexOf('+') >= 0) {
    text = text.replace(/\+/g, ' ');
  }
  return text.indexOf('%') < 0 ? text : decodeURIComponent(text);
}

// Returns {state: 'none' | 'ok' | 'invalid' | 'expired' | 'provider', user, caller}; `caller` is for the log. Verifying a
// token costs more than all the rest, so a good one is remembered, word for word, where njs can: until it or its key ends.
function token(authorization) {
  if (authorization === undefined) {
    return {state: 'none', user: ''};
  }
  const memory = ngx.shared === undefined ? undefined : ngx.shared.callers;
  if (memory === undefined) {
    return verified(authorization, Date.now() / 1000);
  }
  const now = Date.now() / 1000;
  const kept = memory.get(authorization);  // "<kid> <expires> <session> <admission> ok <user> <role> <organisation>"
  if (kept !== undefined) {
    const words = kept.split(' ');
    if (+words[1] > now && valid(words[0], now)) {
      return {state: 'ok', user: words[5] === '-' ? '' : words[5], caller: kept.slice(kept.indexOf(' ok ') + 1), words: words};
    }
  }
  const found = verified(authorization, now);
  if (found.state === 'ok') {
    found.words = [found.kid, found.expires, found.session, '-'].concat(found.caller.split(' '));
    memory.set(authorization, found.words.join(' '));
  }
  return found;
}

// Keys come and go while the memory stays.
function valid(kid, now) {
  for (let i = 0; i < site.keys.length; i++) {
    if (site.keys[i].kid === kid) {
      return site.keys[i].until === null || now < site.keys[i].until;
    }
  }
  return false;
}

function decoded(part) {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}

// A token of an outside provider is PostgREST's to verify (njs verifies RSA and EC only asynchronously): it counts for its
// address.
function verified(authorization, now) {
  const invalid = {state: 'invalid', user: ''};
  const parts = authorization.slice(7).trim().split('.');
  if (authorization.slice(0, 7).toLowerCase() !== 'bearer ' || parts.length !== 3) {
    return invalid;
  }
  try {
    const head = decoded(parts[0]);
    if (site.provider && /^(RS|PS|ES)(256|384|512)$/.test(head.alg)) {
      return {state: 'provider', user: ''};
    }
    const kid = head.alg === 'HS256' ? signer(parts, head.kid, now) : undefined;
    if (kid === undefined) {
      return invalid;
    }
    const claims = decoded(parts[1]);
    const caller = [claims.sub, claims.role, claims.org_id].map((value) => value || '-').join(' ');
    if (typeof claims.exp !== 'number' || (claims.nbf !== undefined && !(claims.nbf <= now + 30)) || !NAMES.test(caller)) {
      return invalid;
    }
    return {
      state: claims.exp <= now ? 'expired' : 'ok', user: claims.sub || '', caller: 'ok ' + caller,
      kid: kid, expires: claims.exp, session: /^[0-9a-f-]{36}$/.test(claims.sid) ? claims.sid : '-',
    };
  } catch (e) {
    return invalid;
  }
}

// The valid key that made the signature: the one that `kid` names, or any when the token names none. Returns its name.
function signer(parts, kid, now) {
  for (let i = 0; i < site.keys.length; i++) {
    const key = site.keys[i];
    if ((kid === undefined || kid === key.kid) && (key.until === null || now < key.until)) {
      const wanted = crypto.createHmac('sha256', key.key).update(parts[0] + '.' + parts[1]).digest();
      if (same(wanted, Buffer.from(parts[2], 'base64url'))) {
        return key.kid;
      }
    }
  }
  return undefined;
}

// Takes as long for a wrong first byte as for a wrong last one.
function same(wanted, given) {
  if (given.length !== 32) {
    return false;
  }
  let difference = 0;
  for (let i = 0; i < 32; i += 4) {
    difference |= wanted.readInt32BE(i) ^ given.readInt32BE(i);
  }
  return difference === 0;
}

// ---- the rules --------------------------------------------------------------------------------------------------

// Returns '' or "<code> <what it is about>"; "preflight " is answered by the gateway, too.
function verdict(r) {
  const seen = look(r);
  const head = seen.headers;
  if (METHODS.indexOf(r.method) < 0) {
    return 'method_not_allowed ' + r.method;
  }
  if (seen.repeated) {
    return 'header_repeated ' + seen.repeated;
  }
  const live = seen.path === '/realtime/ws' || seen.path === '/realtime/events';
  if (!live && (!/^\/api\/(rpc\/)?[A-Za-z0-9_]*$/.test(seen.path) || seen.path === '/api/rpc/')) {
    return 'not_found ';
  }
  if (r.method === 'OPTIONS' && head.origin !== undefined && head['access-control-request-method'] !== undefined) {
    return 'preflight ';
  }
  if (seen.token.state === 'invalid' || seen.token.state === 'expired') {
    return 'token_' + seen.token.state + ' ';
  }
  if (live) {
    return r.method === 'GET' ? '' : 'method_not_allowed ' + r.method;  // the relay reads the rest
  }
  return refusedHeader(head) || refusedQuery(r.method, seen) || (keyed(r) ? refusedKey(seen) : kept(r, seen));
}

function refusedHeader(head) {
  if ((head['accept-profile'] || 'api') !== 'api' || (head['content-profile'] || 'api') !== 'api') {
    return 'profile_refused ';
  }
  if ((head.accept || '').toLowerCase().indexOf('vnd.pgrst.plan') >= 0) {
    return 'plan_refused ';
  }
  if (head.prefer !== undefined) {
    const counts = head.prefer.split(',').filter((part) => {
      return /^\s*count\s*=/i.test(part) && !/^\s*count\s*=\s*(exact|none)\s*$/i.test(part);
    });
    if (counts.length > 0) {
      return 'count_refused ' + counts[0].trim();
    }
  }
  // A range of bytes may be ignored by any server; a range of rows would be a second way to ask for a page.
  if (head.range !== undefined && !/^\s*bytes\s*=/i.test(head.range)) {
    return 'range_refused ' + head.range;
  }
  return '';
}

function refusedQuery(method, seen) {
  if (seen.plain) {
    return '';
  }
  const given = parametersOf(seen);
  if (given === null) {
    return 'query_malformed ';
  }
  const met = Object.create(null);
  let filtered = false;
  for (let i = 0; i < given.length; i++) {
    const name = given[i][0];
    const value = given[i][1];
    const last = name.split('.').pop().trim();  // `lines.limit` is the limit of the embedded lines
    if (NO_FILTER.indexOf(last) >= 0) {
      if (met[name]) {
        return 'parameter_repeated ' + name;
      }
      met[name] = true;
      if (last === 'limit' && !(/^[0-9]{1,3}$/.test(value) && +value >= 1 && +value <= site.page_max)) {
        return 'limit_out_of_range ' + name + '=' + value;
      }
      if (last === 'offset' && !/^[0-9]{1,12}$/.test(value)) {
        return 'offset_out_of_range ' + name + '=' + value;
      }
    } else if (/^(not\.)?(and|or)$/.test(name)) {
      filtered = filtered || /^\(.+\)$/.test(value);
    } else if (name.indexOf('.') < 0) {  // `lines.id=eq.1` filters the embedded lines, not the rows
      filtered = filtered || OPERATOR.test(value);
    }
  }
  if ((method === 'PATCH' || method === 'DELETE') && !filtered && isRelation(seen.path)) {
    return 'filter_required ';
  }
  return '';
}

function isRelation(path) {
  return path.length > '/api/'.length && path.indexOf('/api/rpc/') !== 0;
}

function query(r) {
  const seen = look(r);
  if ((r.method !== 'GET' && r.method !== 'HEAD') || seen.path === '/api/' || (!seen.plain && parametersOf(seen) === null)) {
    return seen.query;
  }
  const limited = seen.plain ? ('&' + seen.query).indexOf('&limit=') >= 0 : seen.parameters.some((pair) => pair[0] === 'limit');
  return limited ? seen.query : seen.query + (seen.query === '' ? '' : '&') + 'limit=' + site.page_default;
}

// ---- totals ----------------------------------------------------------------------------------------------------------

// Counting has an end: when a row stands beyond the last one that is counted, the list goes out without a count.
function total(r) {
  const seen = look(r);
  if (!isRelation(seen.path)) {
    r.internalRedirect('@gateway_counted');  // a function has made all its rows anyway
    return;
  }
  const asked = r.variables.gateway_query;  // found now, for the list, and not for what comes first
  const prefer = r.variables.gateway_prefer;
  const others = prefer.split(',').filter((part) => part.trim() !== 'count=exact').join(',');
  const known = r.variables.gateway_known;
  r.variables.gateway_prefer = others;
  r.variables.gateway_known = '';
  r.subrequest('/_gateway/beyond', {args: beyond(asked), method: 'HEAD'}, (reply) => {
    r.variables.gateway_known = known;
    if (/^\d/.test(reply.headersOut['Content-Range'] || '')) {
      r.variables.gateway_capped = TOTAL_MAX + '+';
    } else {
      r.variables.gateway_prefer = prefer;
    }
    r.internalRedirect('@gateway_counted');
  });
}

// The query for the one row after those that are counted, in whatever order.
function beyond(query) {
  const parts = query.replace(/;/g, '&').split('&').filter((part) => {
    return part !== '' && ['limit', 'offset', 'order'].indexOf(plain(part.split('=')[0])) < 0;
  });
  return parts.concat('limit=1', 'offset=' + TOTAL_MAX).join('&');
}

function filter_counted(r) {
  filter_header(r);
  const told = /\/(\d+)$/.exec(r.headersOut['Content-Range'] || '');
  const known = r.variables.gateway_capped || (told === null ? '' : told[1]);
  if (known !== '' && r.status !== 304 && r.status < 400) {
    r.headersOut['X-Total-Count'] = known;
  }
}

// ---- requests that may come again: Idempotency-Key -----------------------------------------------------------------------

// A read can be repeated without a key.
function keyed(r) {
  return request !== null && request.headers['idempotency-key'] !== undefined && WRITES.indexOf(r.method) >= 0;
}

function refusedKey(seen) {
  if (keyOf(seen) === '') {
    return 'key_malformed ';
  }
  if (shapeOf(seen) === '') {
    return 'key_needs_json ' + seen.headers.accept;
  }
  const wishes = preferences(seen);
  if (wishes.some((wish) => wish === 'return=headers-only')) {
    return 'key_needs_body ';
  }
  return wishes.some((wish) => /^count=(?!none$)/.test(wish)) ? 'key_without_count ' : '';
}

// The key, with or without quotes (RFC 8941 strings); '' for one that is none.
function keyOf(seen) {
  const given = seen.headers['idempotency-key'];
  if (/^"(?:[ !#-\[\]-~]|\\["\\])+"$/.test(given)) {
    const key = given.slice(1, -1).replace(/\\(.)/g, '$1');
    return key.length <= 255 ? key : '';
  }
  return /^[!#-~][ -~]{0,254}$/.test(given) ? given : '';
}

function preferences(seen) {
  return (seen.headers.prefer || '').split(',').map((part) => part.trim());
}

// What the body will look like, by what PostgREST finds first in Accept; '' for anything but JSON. `none`: there is none.
function shapeOf(seen) {
  const parts = (seen.headers.accept || '*/*').split(',')[0].toLowerCase().replace(/\s/g, '').split(';');
  if (parts.some((part) => /^q=/.test(part))) {
    return '';
  }
  const stripped = parts.indexOf('nulls=stripped') > 0 ? '-stripped' : '';
  let shape = '';
  if (parts[0] === '*/*' || parts[0] === 'application/json') {
    shape = 'list';
  } else if (/^application\/vnd\.pgrst\.array(\+json)?$/.test(parts[0])) {
    shape = 'list' + stripped;
  } else if (/^application\/vnd\.pgrst\.object(\+json)?$/.test(parts[0])) {
    shape = 'one' + stripped;
  }
  if (shape !== '' && isRelation(seen.path)) {
    const wanted = preferences(seen).filter((wish) => /^return=/.test(wish))[0];
    return wanted === 'return=representation' ? shape : 'none';
  }
  return shape;
}

// What the database is told of a request with a key: "<digest> <shape> <key>". nginx asks when it has read the body.
function told(r) {
  if (!keyed(r)) {
    return '';
  }
  const seen = look(r);
  const head = seen.headers;
  // Everything that decides what is done and answered. The key of the digest keeps a password in a body from being guessed.
  const digest = crypto.createHmac('sha256', site.digest_key);
  const parts = [r.method, seen.path, seen.query, head['content-type'], head.accept, head.prefer, head['if-match']];
  digest.update(parts.map((part) => (part === undefined ? '' : part) + '\n').join(''));
  if (r.requestBuffer !== undefined) {
    digest.update(r.requestBuffer);
  }
  return digest.digest('hex') + ' ' + shapeOf(seen) + ' ' + keyOf(seen);
}

// ---- whom a request counts for ---------------------------------------------------------------------------------------

// An IPv6 client owns a whole /64, so that is what is counted.
function network(address) {
  if (address.indexOf(':') < 0) {
    return address;
  }
  const start = address.split('::')[0].split(':').slice(0, 4).join(':');
  return start + '::/64';
}

function limit(r) {
  const seen = look(r);
  const address = network(r.variables.remote_addr || '');
  const user = seen.token.state === 'ok' ? seen.token.user : '';
  if (seen.path === '/health') {
    return 'health ' + address;
  }
  // By address: a browser's WebSocket brings its token in the first message, which the relay reads.
  if (seen.path.indexOf('/realtime/') === 0) {
    return 'realtime ' + address;
  }
  if (seen.path.indexOf('/api/') !== 0) {
    return '';
  }
  const called = seen.path.indexOf('/api/rpc/') === 0 ? seen.path.slice('/api/rpc/'.length) : '';
  if (r.method !== 'OPTIONS' && (called === 'sign_in' || /^password_reset\w*$/.test(called))) {
    return 'sign_in ' + address;
  }
  if (user === '') {
    return 'address ' + address;
  }
  return (called.indexOf('sync_') === 0 || called.indexOf('import_') === 0 ? 'bulk ' : 'user ') + user;
}

function caller(r) {
  const known = look(r).token;
  return known.state === 'ok' ? known.caller : '';
}

// Names only: values may be personal, and a name that looks like anything else is left out.
function keys(r) {
  const seen = look(r);
  if (seen.plain) {
    const parts = seen.query.split('&');
    for (let i = 0; i < parts.length; i++) {
      parts[i] = parts[i].slice(0, parts[i].indexOf('='));
    }
    return parts.join(',');
  }
  const list = parametersOf(seen) || [];
  const names = [];
  for (let i = 0; i < list.length; i++) {
    if (/^[A-Za-z0-9_.>-]{1,64}$/.test(list[i][0])) {
      names.push(list[i][0]);
    }
  }
  return names.join(',');
}

// ---- answers that are kept, to be given again --------------------------------------------------------------------------
// docs/caching/gateway.md says why none of them is older than it may be. What the relay tells lies in `versions`:
//   "lease"                              "<moment> <epoch>": all that was committed before that moment of our clock is in …
//   "<epoch> <organisation> <view>"      "<s|u> <version> <admission>": shared by members or not, and the versions
//   "v <view>"                           the class of a view whose answers may be kept

// Returns 'cached ' when there is an answer that may be given, else ''; sets what the answer to come may be kept as.
function kept(r, seen) {
  const cache = site.cache;
  const words = seen.token.words;
  if (!cache || words === undefined || (r.method !== 'GET' && r.method !== 'HEAD') || ngx.shared.answers === undefined) {
    return '';
  }
  const role = words[6];
  const view = seen.path.slice('/api/'.length);
  const versions = ngx.shared.versions;
  if ((role !== 'member' && role !== 'partner') || words[2] === '-' || view === '' || view.indexOf('/') >= 0) {
    return '';
  }
  const lease = versions.get('lease') || '';
  const at = lease.indexOf(' ');
  const moment = +lease.slice(0, at);
  const age = Date.now() - moment;
  // Read after the lease, so it is as new as the lease says, or newer.
  const told = at > 0 ? versions.get(lease.slice(at + 1) + ' ' + words[7] + ' ' + view) : undefined;
  if (told === undefined || !(age >= 0 && age < cache.lease_ms)) {
    return unanswered(versions, view, words[7], at, age);
  }
  seen.view = view;
  const written = ngx.shared.written.get(words[5]);
  if ((written !== undefined && moment <= +written) || mustAsk(seen)) {
    count('b', view);
    return '';
  }
  const parts = told.split(' ');
  const key = parts[1] + ' ' + role + ' ' + (parts[0] === 's' && role === 'member' ? words[7] : words[2]) + ' ' + view +
    '?' + seen.query + '\n' + (seen.headers.accept || '') + '\n' + (seen.headers.prefer || '');
  // A session that the database has not admitted since anything about sessions changed is for the database to look at.
  if (words[3] === parts[2]) {
    seen.answer = ngx.shared.answers.get(key);
    if (seen.answer !== undefined) {
      count('h', view);
      return 'cached ';
    }
  } else {
    seen.admission = parts[2];
  }
  count('m', view);
  seen.key = key;
  return '';
}

// Without a lease, or for an organisation that the relay has not told of: have it told, if the view is one of those.
function unanswered(versions, view, organization, at, age) {
  if (versions.get('v ' + view) === undefined) {
    return '';
  }
  count('b', view);
  if (at > 0 && (age < 0 || age > 1000)) {
    versions.delete('lease');  // the clock was set, or nobody renews it
  }
  const wanted = versions.get('wanted') || '';
  if (wanted.length < 4000 && wanted.indexOf(organization) < 0) {
    versions.set('wanted', wanted + ' ' + organization);
  }
  return '';
}

// What asks for more than the rows of a view, or says that it wants no kept answer.
function mustAsk(seen) {
  const head = seen.headers;
  if (head['if-match'] !== undefined || head['if-modified-since'] !== undefined || head['if-unmodified-since'] !== undefined ||
      head['content-length'] !== undefined || head['transfer-encoding'] !== undefined || head.pragma !== undefined) {
    return true;
  }
  if (head['cache-control'] !== undefined && /no-cache|no-store|max-age=0/i.test(head['cache-control'])) {
    return true;
  }
  if (seen.plain && seen.query.indexOf('(') < 0) {
    return false;
  }
  // Embedded views have versions of their own.
  const given = parametersOf(seen) || [];
  for (let i = 0; i < given.length; i++) {
    if (given[i][0] === 'select' && given[i][1].indexOf('(') >= 0) {
      return true;
    }
  }
  return false;
}

function count(what, view) {
  ngx.shared.cache_counts.incr(what + ' ' + view, 1, 0);
}

// The kept answer: "<status>\t<name>\t<value>…\n<body>". The limits have let the request through.
function cached(r) {
  const answer = request.answer;
  const end = answer.indexOf('\n');
  const head = answer.slice(0, end).split('\t');
  let tag;
  for (let i = 1; i < head.length; i += 2) {
    r.headersOut[head[i]] = head[i + 1];
    if (head[i] === 'ETag') {
      tag = head[i + 1];
    }
  }
  r.headersOut['Cache-Status'] = 'erpgres; hit';
  const wanted = request.headers['if-none-match'];
  if (wanted !== undefined && tag !== undefined && matches(wanted, tag)) {
    count('n', request.view);
    delete r.headersOut['Content-Type'];
    r.return(304);
    return;
  }
  r.return(+head[0], answer.slice(end + 1));
}

function matches(wanted, tag) {
  const list = wanted.split(',');
  for (let i = 0; i < list.length; i++) {
    const one = list[i].trim();
    if (one === '*' || one.replace(/^W\//, '') === tag.replace(/^W\//, '')) {
      return true;
    }
  }
  return false;
}

// What a client is about to be told of may have changed something: until the relay has looked again, he gets no kept answers.
function noteWrite(seen) {
  if (seen.token.words !== undefined && site.cache && ngx.shared.written !== undefined) {
    ngx.shared.written.set(seen.token.words[5], String(Date.now()));
  }
}

// An answer begins to a request whose answer may be kept. The database has admitted the session, unless it says otherwise.
function noteAnswer(r, seen) {
  const good = r.status === 200 || r.status === 206;
  if (r.status === 304) {
    count('n', seen.view);
  }
  if (seen.admission !== undefined && (good || r.status === 304)) {
    const words = seen.token.words.slice();
    words[3] = seen.admission;
    ngx.shared.callers.set(seen.headers.authorization, words.join(' '));
  }
  const out = r.headersOut;
  if (!good || r.method !== 'GET' || out['ETag'] === undefined || !/^[a-z.+\/]+; charset=utf-8$/.test(out['Content-Type']) ||
      /no-store/.test(out['Cache-Control'] || '')) {
    return;
  }
  const head = [r.status];
  ['Content-Type', 'Content-Range', 'ETag', 'Cache-Control', 'Vary', 'Preference-Applied', 'Content-Profile'].forEach((name) => {
    if (out[name] !== undefined) {
      head.push(name, name === 'Content-Type' ? out[name].split(';')[0] : out[name]);  // nginx adds the charset again
    }
  });
  seen.head = head.join('\t');
}

function keep(seen, data, last) {
  held.push(data);
  seen.size = (seen.size || 0) + data.length;
  if (seen.size > site.cache.most_bytes) {
    seen.head = undefined;
    held = [];
  } else if (last) {
    try {
      ngx.shared.answers.set(seen.key, seen.head + '\n' + Buffer.concat(held).toString());
    } catch (e) {
      // No room: nothing is kept.
    }
  }
}

// The relay tells the versions, on a socket that nobody else reaches. Versions first, then the lease: who reads them the other
// way round has versions that are as new as the lease says.
function versions(r) {
  const memory = ngx.shared.versions;
  const answer = {now: 0, wanted: [], counts: undefined};
  let told;
  try {
    told = JSON.parse(r.requestText);
    if (told.clear) {
      memory.clear();
    }
    for (let i = 0; i < told.entries.length; i += 2) {
      memory.set(told.entries[i], told.entries[i + 1]);
    }
    if (told.moment > 0) {
      memory.set('lease', told.moment + ' ' + told.epoch);
    }
    if (told.counts) {
      answer.counts = {};
      ngx.shared.cache_counts.items().forEach((pair) => {
        answer.counts[pair[0]] = pair[1];
      });
    }
    const wanted = memory.get('wanted');
    if (wanted !== undefined) {
      memory.delete('wanted');  // pop() of njs 0.9.9 returns nothing
      answer.wanted = wanted.trim().split(' ');
    }
  } catch (e) {
    memory.clear();  // half of them is worse than none
    r.error('versions: ' + e.message);
    r.return(500);
    return;
  }
  answer.now = Date.now();
  r.headersOut['Content-Type'] = 'application/json';
  r.return(200, JSON.stringify(answer));
}

// ---- answers ---------------------------------------------------------------------------------------------------------

function body(code, message, details, hint) {
  return JSON.stringify({code: code, message: message, details: details || null, hint: hint || null});
}

// The text of a refusal. nginx sends this and the next two with `return`: js_content would first read the whole body of a
// request that nobody wants.
function refusal(r) {
  const ruling = r.variables.gateway_verdict;
  const code = ruling.split(' ')[0];
  const rule = refusals()[code] || failures()[500];
  return body('gateway.' + code, rule[0], ruling.slice(code.length + 1), rule[1]);
}

function failure(r) {
  const status = +r.variables.status || 500;
  const failed = failures()[status] || ['http_' + status, 'The request was refused.'];
  let hint = null;
  if (status === 404 && look(r).path.indexOf('/docs/') === 0) {
    hint = 'Has the documentation been built? erpgres docs build';
  } else if (status === 429) {
    const crowded = r.variables.limit_conn_status === 'REJECTED';
    hint = crowded ? 'Use fewer connections at once.' : 'Wait as many seconds as Retry-After says.';
  } else if (status === 503) {
    hint = 'Try again in a moment.';
  }
  return body('gateway.' + failed[0], failed[1], null, hint);
}

function front(r) {
  return JSON.stringify({
    name: 'Erpgres', version: site.version, api: '/api/', docs: '/docs/', openapi: '/api/', realtime: '/realtime/',
    health: '/health',
  });
}

function health(r) {
  if (r.method !== 'GET' && r.method !== 'HEAD') {
    r.return(405);
    return;
  }
  r.subrequest('/_gateway/health', {method: 'GET'}, (reply) => {
    const result = {status: 'unhealthy', database: 'down', version: site.version, migration: null};
    try {
      if (reply.status === 200) {
        const told = JSON.parse(reply.responseText || reply.responseBody);
        result.database = told.database;
        result.version = told.version || site.version;
        result.migration = told.migration === undefined ? null : told.migration;
        result.status = told.database === 'up' ? 'healthy' : 'unhealthy';
      }
    } catch (e) {
      r.error('health: ' + e.message);
    }
    r.headersOut['Cache-Control'] = 'no-store';
    r.headersOut['Content-Type'] = 'application/json';
    r.return(result.status === 'healthy' ? 200 : 503, JSON.stringify(result));
  });
}

// ---- what PostgREST answered -------------------------------------------------------------------------------------------

let replayed = false;

function filter_header(r) {
  if (r.method !== 'GET' && r.method !== 'HEAD') {
    noteWrite(look(r));
  } else if (request !== null && request.key !== undefined) {
    noteAnswer(r, request);
  }
  if (keyed(r)) {
    // The second answer could not say these: the database does not know them.
    delete r.headersOut['Content-Range'];
    delete r.headersOut['Preference-Applied'];
    replayed = r.headersOut['Idempotency-Replayed'] === 'true';
    if (replayed) {
      delete r.headersOut['Content-Length'];
      r.headersOut['Content-Type'] = typeOf(request);  // empty: none, as there is no body
    }
  }
  if (r.status >= 400) {
    delete r.headersOut['Content-Length'];  // the body may change
  }
  if (r.status === 503) {
    // PostgREST adds one of its own, 0, to that of a function.
    const waits = r.rawHeadersOut.filter((pair) => pair[0].toLowerCase() === 'retry-after').map((pair) => +pair[1] || 0);
    r.headersOut['Retry-After'] = String(Math.max.apply(null, waits.concat(1)));
  }
}

// The type that PostgREST gives an answer of this shape; nginx adds the charset that the error came with.
function typeOf(seen) {
  const shape = shapeOf(seen).split('-');
  if (shape[0] === 'none') {
    return '';
  }
  const stripped = shape[1] === undefined ? '' : ';nulls=stripped';
  if (shape[0] === 'one') {
    return 'application/vnd.pgrst.object+json' + stripped;
  }
  return 'application/' + (stripped === '' ? 'json' : 'vnd.pgrst.array+json' + stripped);
}

let held = [];

function filter_body(r, data, flags) {
  if ((r.status < 400 && !replayed) || r.method === 'HEAD') {
    r.sendBuffer(data, flags);
    if (request !== null && request.head !== undefined) {
      keep(request, data, flags.last);
    }
    if (request === null || request.head === undefined) {
      r.done();
    }
    return;
  }
  held.push(data);
  if (flags.last) {
    let text = Buffer.concat(held).toString();
    if (replayed && text !== '') {
      text = JSON.parse(text).details || '';
    }
    r.sendBuffer(r.status < 400 ? text : reworded(r.status, text), flags);
  }
}

// Takes an error as PostgREST words it and returns it without the names of things the caller may not know of.
function reworded(status, text) {
  let told;
  try {
    told = JSON.parse(text);
  } catch (e) {
    told = text === '' ? {} : null;
  }
  if (told === null || typeof told !== 'object') {
    return text;
  }
  if (told.code === undefined && told.message === undefined) {
    if (Object.keys(told).length > 0) {
      return text;  // a function's own answer
    }
    const failed = failures()[status] || ['http_' + status, 'The request was refused.'];
    return body('gateway.' + failed[0], failed[1]);
  }
  const code = String(told.code);
  if (busyErrors()[code]) {
    return body(busyErrors()[code][0], busyErrors()[code][1], null, busyErrors()[code][2]);
  }
  // PGRST0xx speaks of the connection, PGRST2xx and class 42 of the schema; 5xx of what went wrong inside.
  const inside = status >= 500 && /^[0-9A-Z]{5}$/.test(code);
  if (/^(PGRST[02]|42)/.test(code) || inside) {
    return body(code, told.message, null, null);
  }
  if (code === '23502' || code === '23514') {
    return body(code, told.message, null, told.hint);  // the details are the whole row, hidden columns included
  }
  return body(code, told.message, told.details, told.hint);
}

export default {
  verdict, query, told, limit, caller, keys, refusal, failure, front, health, filter_header, filter_body, cached, versions, total,
  filter_counted,
};
