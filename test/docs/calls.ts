import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { allRoutes, type ApiDeps } from '../../src/api/app.ts';
import type { AnyRoute } from '../../src/api/route.ts';
import { loadConfig } from '../../src/config.ts';
import { createExecutionTokens } from '../../src/trust/execution-token.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createSigner } from '../../src/trust/signing.ts';

/** One curl command of a page. */
export interface Call {
  method: string;
  /** Without its query. */
  path: string;
  hasKey: boolean;
  /** The Idempotency-Key that is written out. */
  key: string | undefined;
  body: string | undefined;
}

/** Where a call goes: to the API, not to the simulator. */
const PROKURA = /(?:\$API|http:\/\/127\.0\.0\.1:8080)(\/[^\s"?]+)/;

/** The calls of the API in the shell blocks of a page. */
export function callsOf(text: string): Call[] {
  const shells = [...text.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1]!);
  return shells
    .flatMap((shell) => shell.split(/(?=^ *curl )/m).filter((part) => part.trimStart().startsWith('curl ')))
    .filter((command) => PROKURA.test(command))
    .map((command) => {
      const body = /-d '([^']*)'/.exec(command)?.[1];
      return {
        method: /-X (\w+)/.exec(command)?.[1] ?? (body === undefined ? 'GET' : 'POST'),
        path: PROKURA.exec(command)![1]!,
        hasKey: command.includes('Idempotency-Key: '),
        key: /Idempotency-Key: ([^"$]+)"/.exec(command)?.[1],
        body,
      };
    });
}

/** `POST /v1/agents/{id}/halt`, and the like, that a page names. What it shortens (`POST …/resume`) is not looked at. */
export function routesNamed(text: string): { method: string; path: string }[] {
  const named = text.matchAll(/\b(GET|POST|PUT|PATCH|DELETE) (\/(?:v1|oauth|\.well-known)\/[^\s`?,;)"\\]*)/g);
  return [...named].map(([, method, path]) => ({ method: method!, path: path!.replaceAll(/\{\w+\}/g, 'x') }));
}

export function routeOf({ method, path }: { method: string; path: string }, routes: AnyRoute[]): AnyRoute | undefined {
  return routes.find(
    (route) =>
      route.method === method.toLowerCase() && new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path),
  );
}

/** Why a call would be refused before it reaches its handler; `undefined` when it would not be. */
export function refusalOf(call: Call, routes: AnyRoute[]): string | undefined {
  const found = routeOf(call, routes);
  if (!found) return 'no such route';
  if (found.idempotency === 'required' && !call.hasKey) return 'no Idempotency-Key';
  if (!found.body) return call.body === undefined ? undefined : 'takes no body';
  const parsed = found.body.safeParse(call.body === undefined ? undefined : JSON.parse(call.body));
  return parsed.success ? undefined : parsed.error.message;
}

/** Every route, as it is declared. None is ever run: nothing behind them can be asked. */
export async function declaredRoutes(): Promise<AnyRoute[]> {
  const dataKey = randomBytes(32).toString('base64');
  const { privateKey } = generateKeyPairSync('ed25519');
  const signingKey = JSON.stringify(privateKey.export({ format: 'jwk' }));
  return allRoutes({
    config: loadConfig({
      DATABASE_URL: 'postgres://u@h/d',
      PROKURA_DATA_KEY: dataKey,
      PROKURA_SIGNING_KEY: signingKey,
    }),
    pool: {} as ApiDeps['pool'],
    signer: await createSigner(signingKey),
    sealer: createSealer(dataKey),
    authorities: {} as ApiDeps['authorities'],
    log: pino({ level: 'silent' }),
    lifecycle: {} as ApiDeps['lifecycle'],
    tokens: createExecutionTokens(dataKey),
  });
}
