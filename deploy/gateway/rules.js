// The gateway's rules: which request is refused, whom it counts for, totals, keys of repeated requests. nginx.conf says when each
// function runs. Written for njs 0.7.9 (Debian 12) and later: no optional chaining, no for-of, no `??`. `site` is the object that
// js_preload_object made of gateway.json.
import crypto from 'crypto';
import makeCache from 'cache.js';
import makeParameters from 'parameters.js';
import makeTokens from 'tokens.js';
import words from 'words.js';

// Made when it is needed (gateway.js).
function rules() {
  const parameters = makeParameters();
  const tokens = makeTokens();
  const cache = makeCache(parameters);

  const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'];

  const WRITES = ['POST', 'PATCH', 'PUT', 'DELETE'];

  // What a client may send twice: lists that neither PostgREST nor the database reads.
  const REPEATABLE = ['accept-encoding', 'accept-language', 'cache-control', 'cookie', 'pragma', 'te', 'via'];

  // A total is counted up to so many rows.
  const TOTAL_MAX = 10000;

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
        view: undefined, key: undefined, admission: undefined, head: undefined,
        token: tokens.token(found.all.authorization),
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
    return refusedHeader(head) || parameters.refused(r.method, seen) || (keyed(r) ? refusedKey(seen) : cache.kept(r, seen));
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

  function query(r) {
    const seen = look(r);
    if ((r.method !== 'GET' && r.method !== 'HEAD') || seen.path === '/api/' || (!seen.plain && parameters.list(seen) === null)) {
      return seen.query;
    }
    const limited = seen.plain ? ('&' + seen.query).indexOf('&limit=') >= 0 : seen.parameters.some((pair) => pair[0] === 'limit');
    return limited ? seen.query : seen.query + (seen.query === '' ? '' : '&') + 'limit=' + site.page_default;
  }

  // ---- totals ----------------------------------------------------------------------------------------------------------

  // Counting has an end: when a row stands beyond the last one that is counted, the list goes out without a count.
  function total(r) {
    const seen = look(r);
    if (!parameters.isRelation(seen.path)) {
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
      return part !== '' && ['limit', 'offset', 'order'].indexOf(parameters.plain(part.split('=')[0])) < 0;
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
    if (shape !== '' && parameters.isRelation(seen.path)) {
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

  function keys(r) {
    return parameters.names(look(r));
  }

  // ---- answers ---------------------------------------------------------------------------------------------------------

  // The text of a refusal. nginx sends this and the next two with `return`: js_content would first read the whole body of a
  // request that nobody wants.
  function refusal(r) {
    const ruling = r.variables.gateway_verdict;
    const code = ruling.split(' ')[0];
    const rule = words().refusals()[code] || words().failures()[500];
    return words().body('gateway.' + code, rule[0], ruling.slice(code.length + 1), rule[1]);
  }

  function failure(r) {
    const status = +r.variables.status || 500;
    const failed = words().failures()[status] || ['http_' + status, 'The request was refused.'];
    let hint = null;
    if (status === 404 && look(r).path.indexOf('/docs/') === 0) {
      hint = 'Has the documentation been built? erpgres docs build';
    } else if (status === 429) {
      const crowded = r.variables.limit_conn_status === 'REJECTED';
      hint = crowded ? 'Use fewer connections at once.' : 'Wait as many seconds as Retry-After says.';
    } else if (status === 503) {
      hint = 'Try again in a moment.';
    }
    return words().body('gateway.' + failed[0], failed[1], null, hint);
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
      cache.noteWrite(look(r));
    } else if (request !== null && request.key !== undefined) {
      cache.noteAnswer(r, request);
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
        cache.keep(request, data, flags.last);
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
      r.sendBuffer(r.status < 400 ? text : words().reworded(r.status, text), flags);
    }
  }

  return {
    verdict, query, told, limit, caller, keys, refusal, failure, front, health, filter_header, filter_body, total, filter_counted,
    versions: cache.versions,
  };
}

export default rules;
