// @ts-check
// The token of an engine that asks for one. It lives as long as this tab, and is never in an address.

const KEY = "fairlead.token";
const COOKIE = "fairlead_token";
const HANDSHAKE_S = 60;

/** Tells "needed" when the engine wants a token, or another one. */
class Access extends EventTarget {
  /** @returns {string | null} */
  get token() {
    return sessionStorage.getItem(KEY);
  }

  /** @param {string} token */
  use(token) {
    sessionStorage.setItem(KEY, token);
  }

  forget() {
    sessionStorage.removeItem(KEY);
    setCookie("", 0);
  }

  /** For fetch. @returns {Record<string, string>} */
  get headers() {
    return this.token === null ? {} : { authorization: `Bearer ${this.token}` };
  }

  /** For a socket that is about to be opened: it can carry no header, but a cookie. */
  lendToSocket() {
    if (this.token !== null) setCookie(this.token, HANDSHAKE_S);
  }

  refused() {
    this.dispatchEvent(new Event("needed"));
  }
}

/** Sent to sockets only, by pages of this origin only. @param {string} token @param {number} forS */
function setCookie(token, forS) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${COOKIE}=${token}; path=/ws; samesite=strict; max-age=${forS}${secure}`;
}

/**
 * Whether a text can be a token at all: the characters of RFC 6750, safe in a cookie.
 * @param {string} text
 */
export function isToken(text) {
  return /^[A-Za-z0-9._~+/-]+=*$/.test(text);
}

export const access = new Access();
