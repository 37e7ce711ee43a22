// Ordinary reads of a known caller: whether there is an answer in memory that he may get, giving it, and what nginx asks of a read that
// goes to PostgREST. docs/caching/gateway.md says why no answer is older than it may be. Written for njs 0.7.9 (Debian 12) and later,
// as rules.js is.
//
// What the relay tells lies in `versions`:
//   "lease"                              "<moment> <epoch>": all that was committed before that moment of our clock is in …
//   "<epoch> <organisation> <view>"      "<s|u> <version> <admission>": shared by members or not, and the versions
//   "v <view>"                           the class of a view whose answers may be kept
// In `callers`, tokens that were verified:
//   "<Authorization>"                    "<key> <expires> <session> <admission> ok <user> <role> <organisation>"
// In `answers`:
//   "<version> <role> <whose> <asked>"   "<name of the body>\t<status>\t<parameters>\t<Content-Type>\t<ETag>\t<coding>\t<Cache-Control>\t<Vary>\t<Content-Range>"
//                                        … "\t<name>\t<value>" for each other header
//   "<name of the body>"                 the body. A name of its own for each: head and body are always of the same answer
// A body with more than ASCII is kept in base64: njs would look at each character three times, which takes six times as long.
//
// njs runs the modules anew for each request, and this is all that a hit and most other reads run: each function here, each `+` of
// strings and each look at a property costs them a tenth of a microsecond to one, a split, a closure or an object more.

// What is known of this request, and what was found for it.
let judged = false;  // here, without the rules
let words;  // of its token
let view;
let lease;
let moment;
let age;
let head;
let body;

// Returns the verdict of the rules (rules.js) on a request of which $gateway_asked says all that matters (nginx.conf; '' for others):
// 'cached ' when there is an answer for it, '' when PostgREST is to be asked; or undefined, and then the rules have to be asked.
// For an answer in memory they need not be: only what obeyed them all is kept, under a name that holds everything they look at. Nor for
// a plain query: of what they look at it and $gateway_asked leave the token, headers that came twice and answers that are kept.
function judge(r) {
  const variables = r.variables;
  const asked = variables.gateway_asked;
  const memory = ngx.shared;
  if (asked === '' || memory === undefined || memory.callers === undefined ||
      Object.keys(r.headersIn).length !== r.rawHeadersIn.length) {  // a header came twice
    return undefined;
  }
  const kept = memory.callers.get(variables.http_authorization || '');
  if (kept === undefined) {
    return undefined;
  }
  words = kept.split(' ');
  if (!lasts(words) || words[5] === '-') {
    return undefined;
  }
  if (site.cache && memory.answers !== undefined && mayKeep()) {
    view = asked.slice(0, asked.indexOf('?'));
    const told = versions(memory);
    judged = told !== undefined && !hasWritten(memory) && take(memory, told.split(' '), asked);
    if (judged) {
      return 'cached ';
    }
    if (told !== undefined || memory.versions.get(`v ${view}`) !== undefined) {
      return undefined;  // the answer to come may be kept
    }
  }
  judged = variables.gateway_plain === '1' && site.page_max >= 100;
  return judged ? '' : undefined;
}

// Whether a token that was verified has not ended, nor its key: keys come and go while the memory stays.
function lasts(caller) {
  const now = Date.now() / 1000;
  const keys = site.keys;
  for (let i = 0; i < keys.length; i++) {
    if (keys[i].kid === caller[0]) {
      return +caller[1] > now && (keys[i].until === null || now < keys[i].until);
    }
  }
  return false;
}

// Members and partners, with a session.
function mayKeep() {
  return (words[6] === 'member' || words[6] === 'partner') && words[2] !== '-';
}

// Returns the versions that the view has now in the caller's organisation, or undefined when nobody can say.
function versions(memory) {
  const known = memory.versions;
  lease = known.get('lease') || '';
  const at = lease.indexOf(' ');
  moment = +lease.slice(0, at);
  age = Date.now() - moment;
  // Read after the lease, so it is as new as the lease says, or newer.
  return at > 0 && age >= 0 && age < site.cache.lease_ms
    ? known.get(`${lease.slice(at + 1)} ${words[7]} ${view}`)
    : undefined;
}

// Whether the caller may have changed something since the relay looked.
function hasWritten(memory) {
  const written = memory.written.get(words[5]);
  return written !== undefined && moment <= +written;
}

// The name of an answer; `parts` are the versions.
function nameOf(parts, asked) {
  return `${parts[1]} ${words[6]} ${parts[0] === 's' && words[6] === 'member' ? words[7] : words[2]} ${asked}`;
}

// Takes the answer out of the memory, if it is there and the database has admitted this session since anything about sessions changed.
function take(memory, parts, asked) {
  const answers = memory.answers;
  const found = words[3] === parts[2] ? answers.get(nameOf(parts, asked)) : undefined;
  if (found === undefined) {
    return false;
  }
  head = found.split('\t');
  body = answers.get(head[0]);
  if (body === undefined) {
    return false;
  }
  memory.cache_counts.incr(`h ${view}`, 1, 0);
  return true;
}

// The limits have let the request through: gives the answer that was found.
function give(r) {
  const out = r.headersOut;
  out['Cache-Status'] = 'erpgres; hit';
  out.ETag = head[4];
  if (head[6] !== '') {
    out['Cache-Control'] = head[6];
  }
  if (head[7] !== '') {
    out.Vary = head[7];
  }
  for (let i = 9; i < head.length; i += 2) {
    out[head[i]] = head[i + 1];
  }
  const wanted = r.headersIn['If-None-Match'];
  if (wanted !== undefined && parts().matches(wanted, head[4])) {
    ngx.shared.cache_counts.incr(`n ${view}`, 1, 0);
    r.return(304);
    return;
  }
  out['Content-Type'] = head[3];
  if (head[8] !== '') {
    out['Content-Range'] = head[8];
  }
  r.return(+head[1], head[5] === 'base64' ? Buffer.from(body, 'base64') : body);
}

// What nginx asks for a request that was judged here: the words of its caller (undefined: it was not), the query for PostgREST, and the
// names of its parameters. A query that was judged is plain.
function caller() {
  return judged ? words : undefined;
}

function query(r) {
  const asked = r.variables.args || '';
  if (`&${asked}`.indexOf('&limit=') >= 0) {
    return asked;
  }
  return `${asked}${asked === '' ? '' : '&'}limit=${site.page_default}`;
}

function names(r) {
  if (body !== undefined) {
    return head[2];
  }
  const asked = r.variables.args || '';
  const parts = asked.split('&');
  for (let i = 0; i < parts.length; i++) {
    parts[i] = parts[i].slice(0, parts[i].indexOf('='));
  }
  return parts.join(',');
}

// What else there is, for those who judge what is not ordinary, keep answers and compare tags.
function parts() {
  // Says of whom and what the rest is asked, for a request that `find` does not know to be ordinary.
  function concern(caller, name) {
    words = caller;
    view = name;
  }

  // Whether the clock was set, or nobody renews the lease.
  function isAbandoned() {
    return lease !== '' && !(age >= 0 && age <= 1000);
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

  return {concern, lasts, mayKeep, versions, isAbandoned, hasWritten, nameOf, take, matches};
}

export default {judge, give, caller, query, names, parts};
