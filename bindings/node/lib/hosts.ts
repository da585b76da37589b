import type { SvidexError } from './errors';
import { invalid } from './given';

// OpenAI's API, with its data-residency hosts. The same list in every language:
// tests/vectors/hosts.json.
const REGIONS = ['us', 'eu', 'ae', 'au', 'in', 'jp'];
const API_HOSTS = ['api.openai.com', ...REGIONS.map((region) => `${region}.api.openai.com`)];

/** @internal Tells whether an access token may go to a URL. */
export function originsOf(hosts: readonly string[] = API_HOSTS): (url: URL) => boolean {
  if (!Array.isArray(hosts)) throw wrong();
  const origins = new Set(hosts.map(originOf));
  return (url) => origins.has(url.origin);
}

/** `host`, `host:port` (both https), or an origin with its scheme. */
function originOf(host: unknown): string {
  if (typeof host !== 'string' || !/^(https?:\/\/)?[a-z0-9.:[\]_-]+\/?$/i.test(host)) throw wrong();
  const text = host.includes('://') ? host : `https://${host}`;
  if (!URL.canParse(text)) throw wrong();
  return new URL(text).origin;
}

function wrong(): SvidexError {
  return invalid(
    'hosts must be names such as api.example.com, api.example.com:8443 or ' +
      'http://127.0.0.1:8080, without a path, a user or wildcards',
  );
}
