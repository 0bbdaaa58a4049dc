// What the page asks of the service. The token travels in a header and is kept until the tab is closed.

const KEPT = 'strongreid-token';
const LOST = {
  came: 'The service did not answer.',
  allowed: 'It must run, and this machine must reach it.',
  next: 'Try again in a moment.',
};

export class Problem extends Error {
  constructor(status, { came, allowed, next }) {
    super(`${came} Allowed: ${allowed} ${next}`);
    this.status = status;
  }
}

export const signedIn = () => sessionStorage.getItem(KEPT) !== null;
export const signIn = (token) => sessionStorage.setItem(KEPT, token.trim());
export const signOut = () => sessionStorage.removeItem(KEPT);

// A link such as http://127.0.0.1:8000/#token=... signs in; what follows # never leaves the browser.
export function signInFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) {
    signIn(token);
    history.replaceState(null, '', location.pathname);
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${sessionStorage.getItem(KEPT) ?? ''}` };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Problem(0, LOST);
  }
  if (answer.ok) return answer;
  throw new Problem(answer.status, await answer.json().catch(() => LOST));
}

export const about = async () => (await ask('about')).json();
export const waiting = async () => (await ask('waiting')).json();

export async function search(photograph, parameters) {
  const body = new FormData();
  body.append('image', photograph, 'photograph');
  return (await ask(`search?${parameters}`, { method: 'POST', body })).json();
}

export async function confirm(search, key) {
  const headers = { 'Content-Type': 'application/json' };
  return (await ask('confirm', { method: 'POST', headers, body: JSON.stringify({ search, key }) })).json();
}

// Pictures need the token too, so they are fetched, and shown from memory.
export async function show(image, path) {
  const blob = await (await ask(path)).blob();
  image.src = URL.createObjectURL(blob);
  image.addEventListener('load', () => URL.revokeObjectURL(image.src), { once: true });
  await image.decode();
}
