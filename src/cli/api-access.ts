import { createClient, UnexpectedAnswer, type Client } from './demo/client.ts';
import { serviceUrl } from './options.ts';
import { CommandError, messageOf, needing } from './output.ts';
import { runningStart } from './running.ts';

/** For the help of commands that call the API. */
export const API_HELP =
  '\nAPI and credential: PROKURA_API_URL and PROKURA_API_KEY, else those of the start that runs from this folder.';

export interface ApiAccess extends Client {
  /** The body of a successful GET as it came. */
  text(path: string): Promise<string>;
}

export interface ApiPlace {
  /** Without a slash at its end. */
  url: string;
  key: string;
}

/**
 * The API that a command is meant for, and the credential for it.
 * @param given what options say; the environment comes after them, the running start last
 * @throws CommandError when nothing says where it is, or the address is none
 */
export function apiPlace(given: { url?: string; key?: string } = {}): ApiPlace {
  const named = {
    url: given.url ?? process.env['PROKURA_API_URL'],
    key: given.key ?? process.env['PROKURA_API_KEY'],
  };
  // A key that was named never goes to an address of another installation, and the other way round.
  const running = named.url === undefined && named.key === undefined ? runningStart() : undefined;
  const url = named.url ?? running?.api_url;
  const key = named.key ?? running?.api_key;
  if (!url || !key) {
    throw new CommandError('Set PROKURA_API_URL and PROKURA_API_KEY, both of them, or run `npm start` first.');
  }
  try {
    return { url: serviceUrl(url), key };
  } catch (error) {
    throw new CommandError(`The address of the API (PROKURA_API_URL) cannot be used: ${messageOf(error)}`);
  }
}

/**
 * A client of {@link apiPlace}. The key is no option of the commands that use it: other users can read the arguments of
 * a process.
 * @throws CommandError when neither the environment nor a running start says where it is
 */
export function apiAccess(): ApiAccess {
  const { url: root, key } = apiPlace();
  const client = createClient(root, key);
  return {
    get: (path) => told(root, client.get(path)),
    post: (path, body, expected) => told(root, client.post(path, body, expected)),
    async text(path) {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await needing(`GET ${path} got no answer`, awayHint(root), () =>
        fetch(`${root}${path}`, { headers }),
      );
      if (!answer.ok) throw new CommandError(`GET ${path} answered ${answer.status}.`);
      return answer.text();
    },
  };
}

/** A refusal says everything: no stack is printed. */
async function told<T>(root: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof UnexpectedAnswer)) throw error;
    throw new CommandError(error.answered ? error.message : `${error.message}. ${awayHint(root)}`);
  }
}

function awayHint(root: string): string {
  return `Does Prokura run at ${root}? \`prokura doctor\` looks.`;
}
