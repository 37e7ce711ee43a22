// The query string of a request, and the rules for it. Written for njs 0.7.9 (Debian 12) and later, as gateway.js is.

// Made when it is needed (gateway.js).
function parameters() {
  // Parameters of PostgREST that are no filter.
  const NO_FILTER = ['select', 'order', 'limit', 'offset', 'columns', 'on_conflict'];
  const OPERATOR = /^(not\.)*(eq|neq|gte?|lte?|i?like|i?match|in|is|isdistinct|(pl|ph|w)?fts|cs|cd|ov|sl|sr|nxr|nxl|adj)(\((any|all|[a-z_]+)\))?\../;

  // Read when it is needed, which it is not for most requests.
  function list(seen) {
    if (seen.parameters === undefined) {
      seen.parameters = parsed(seen.query);
    }
    return seen.parameters;
  }

  // Returns a list of [name, value], or null when the query is not UTF-8. PostgREST's parser takes `;` for `&`.
  // This runs for every request: a regular expression or a closure here costs as much as all the rest.
  function parsed(query) {
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

  function refused(method, seen) {
    if (seen.plain) {
      return '';
    }
    const given = list(seen);
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

  // Names only, for the log: values may be personal, and a name that looks like anything else is left out.
  function names(seen) {
    if (seen.plain) {
      const parts = seen.query.split('&');
      for (let i = 0; i < parts.length; i++) {
        parts[i] = parts[i].slice(0, parts[i].indexOf('='));
      }
      return parts.join(',');
    }
    const given = list(seen) || [];
    const found = [];
    for (let i = 0; i < given.length; i++) {
      if (/^[A-Za-z0-9_.>-]{1,64}$/.test(given[i][0])) {
        found.push(given[i][0]);
      }
    }
    return found.join(',');
  }

  function isRelation(path) {
    return path.length > '/api/'.length && path.indexOf('/api/rpc/') !== 0;
  }

  return {list, plain, refused, names, isRelation};
}

export default parameters;
