// Answers that are kept, to be given again. Written for njs 0.7.9 (Debian 12) and later, as gateway.js is.
import parameters from 'parameters.js';

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
  const given = parameters.list(seen) || [];
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

// The kept answer: "<status>\t<name>\t<value>…\n<body>".
function give(r, seen) {
  const answer = seen.answer;
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
  const wanted = seen.headers['if-none-match'];
  if (wanted !== undefined && tag !== undefined && matches(wanted, tag)) {
    count('n', seen.view);
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
  seen.held = seen.held || [];
  seen.held.push(data);
  seen.size = (seen.size || 0) + data.length;
  if (seen.size > site.cache.most_bytes) {
    seen.head = undefined;
    seen.held = [];
  } else if (last) {
    try {
      ngx.shared.answers.set(seen.key, seen.head + '\n' + Buffer.concat(seen.held).toString());
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

export default {kept, give, noteWrite, noteAnswer, keep, versions};
