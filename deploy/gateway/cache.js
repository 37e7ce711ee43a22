// Answers that are kept, to be given again by hits.js, which says what lies where. Written for njs 0.7.9 (Debian 12) and later, as
// rules.js is.
import found from 'hits.js';

// Made when it is needed (gateway.js).
function cache(parameters) {
  const hits = found.parts();

  // Returns 'cached ' when there is an answer that may be given, else ''; sets what the answer to come may be kept as.
  function kept(r, seen) {
    const words = seen.token.words;
    const view = seen.path.slice('/api/'.length);
    const memory = ngx.shared;
    if (!site.cache || words === undefined || (r.method !== 'GET' && r.method !== 'HEAD') || memory.answers === undefined ||
        view === '' || view.indexOf('/') >= 0) {
      return '';
    }
    hits.concern(words, view);
    if (!hits.mayKeep()) {
      return '';
    }
    const told = hits.versions(memory);
    if (told === undefined) {
      return unanswered(memory.versions, view, words[7]);
    }
    if (hits.hasWritten(memory) || mustAsk(seen)) {
      count('b', view);
      return '';
    }
    const parts = told.split(' ');
    const asked = `${view}?${seen.query}\n${seen.headers.accept || ''}\n${seen.headers.prefer || ''}`;  // like $gateway_asked
    if (hits.take(memory, parts, asked)) {
      return 'cached ';
    }
    count('m', view);
    // A session that the database has not admitted since anything about sessions changed is for the database to look at.
    if (words[3] !== parts[2]) {
      seen.admission = parts[2];
    }
    seen.view = view;
    seen.key = hits.nameOf(parts, asked);
    return '';
  }

  // Without a lease, or for an organisation that the relay has not told of: have it told, if the view is one of those.
  function unanswered(versions, view, organization) {
    if (versions.get(`v ${view}`) === undefined) {
      return '';
    }
    count('b', view);
    if (hits.isAbandoned()) {
      versions.delete('lease');
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
    ngx.shared.cache_counts.incr(`${what} ${view}`, 1, 0);
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
    // nginx adds the charset again.
    const kept = [r.variables.request_id, r.status, parameters.names(seen), out['Content-Type'].split(';')[0], out['ETag'], ''];
    ['Cache-Control', 'Vary', 'Content-Range'].forEach((name) => kept.push(out[name] || ''));
    ['Preference-Applied', 'Content-Profile'].filter((name) => out[name] !== undefined).forEach((name) => kept.push(name, out[name]));
    seen.head = kept;
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
        const data = Buffer.concat(seen.held);
        let body = data.toString();
        if (/[^\x00-\x7f]/.test(body)) {
          seen.head[5] = 'base64';
          body = data.toString('base64');
        }
        ngx.shared.answers.set(seen.head[0], body);
        ngx.shared.answers.set(seen.key, seen.head.join('\t'));
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

  return {kept, noteWrite, noteAnswer, keep, versions};
}

export default cache;
