// Who asks: the bearer token of a request. Written for njs 0.7.9 (Debian 12) and later, as gateway.js is.
import crypto from 'crypto';
import found from 'hits.js';

// Made when it is needed (gateway.js).
function tokens() {
  const hits = found.parts();

  // User, role and organisation of a token; "-" for one that is absent.
  const NAMES = /^[A-Za-z0-9_-]{1,64}( [A-Za-z0-9_-]{1,64}){2}$/;

  // Returns {state: 'none' | 'ok' | 'invalid' | 'expired' | 'provider', user, caller}; `caller` is for the log. Verifying a
  // token costs more than all the rest, so a good one is remembered, word for word, where njs can: until it or its key ends.
  function token(authorization) {
    if (authorization === undefined) {
      return {state: 'none', user: ''};
    }
    const memory = ngx.shared === undefined ? undefined : ngx.shared.callers;
    const kept = memory === undefined ? undefined : memory.get(authorization);
    const words = kept === undefined ? undefined : kept.split(' ');
    if (words !== undefined && hits.lasts(words)) {
      return {state: 'ok', user: words[5] === '-' ? '' : words[5], caller: `ok ${words[5]} ${words[6]} ${words[7]}`, words: words};
    }
    const found = verified(authorization, Date.now() / 1000);
    if (found.state === 'ok' && memory !== undefined) {
      found.words = [found.kid, found.expires, found.session, '-'].concat(found.caller.split(' '));
      memory.set(authorization, found.words.join(' '));
    }
    return found;
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

  return {token};
}

export default tokens;
