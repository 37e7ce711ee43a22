// What the gateway says: refusals, failures, and errors of PostgREST without what a caller need not know. Written for njs 0.7.9 (Debian 12) and later, as gateway.js is.


// Made when it is needed, which it is not for most requests (gateway.js).
function words() {
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

  // What to do about the errors that a newcomer meets first; fixed words, which name nothing.
  function schemaHint(status, code) {
    if (code === '42501') {
      return status === 401 ? 'Sign in (POST /api/rpc/sign_in) and send Authorization: Bearer with the access token.' : null;
    }
    return /^(42P01|42703|PGRST20[0-9])$/.test(code) ? 'GET /api/ describes all that the caller may use.' : null;
  }

  function body(code, message, details, hint) {
    return JSON.stringify({code: code, message: message, details: details || null, hint: hint || null});
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
      return body(code, told.message, null, inside ? null : schemaHint(status, code));
    }
    if (code === '23502' || code === '23514') {
      return body(code, told.message, null, told.hint);  // the details are the whole row, hidden columns included
    }
    return body(code, told.message, told.details, told.hint);
  }

  return {refusals, failures, body, reworded};
}

export default words;
