import { readJson } from './private-file.ts';

/** `.prokura/demo.json`: where a development start serves, and the credentials of its demo organization. */
export interface DemoFile {
  api_url: string;
  temporal_ui_url: string;
  temporal_address: string;
  temporal_namespace: string;
  database_url: string;
  simulator_url: string;
  org_id: string;
  api_key: string;
  client_id: string;
  client_secret: string;
  webhook_inspector_url?: string;
}

/** The part of {@link DemoFile} that is made once, when the demo organization is seeded. */
export type DemoCredentials = Pick<DemoFile, 'org_id' | 'api_key' | 'client_id' | 'client_secret'>;

/**
 * Whether `file` was seeded into the database at `databaseUrl`. The port is left out: an embedded database may come
 * up elsewhere, and its random password tells it apart from any other.
 */
export function seededInto(file: DemoFile, databaseUrl: string): boolean {
  const identity = (text: string) => {
    const url = new URL(text);
    return [url.username, url.password, url.hostname, url.pathname].join('\n');
  };
  return identity(file.database_url) === identity(databaseUrl);
}

/** The start-up file at `file`, where a start has written one. @throws DamagedFile */
export function readDemoFile(file: string): DemoFile | undefined {
  const members = ['api_url', 'temporal_ui_url', 'temporal_address', 'temporal_namespace', 'database_url'] as const;
  const made = ['simulator_url', 'org_id', 'api_key', 'client_id', 'client_secret'] as const;
  const remedy = 'Remove it: the next start makes another demo organization in the same database.';
  return readJson<DemoFile>({ file, members: [...members, ...made], remedy });
}
