import { createClient, UnexpectedAnswer, type Client } from './demo/client.ts';
import { serviceUrl } from './options.ts';
import { CommandError } from './output.ts';
import { runningStart } from './running.ts';

/** For the help of commands that call the API. */
export const API_HELP =
  '\nAPI and credential: PROKURA_API_URL and PROKURA_API_KEY, else those of the start that runs from this folder.';

export interface ApiAccess extends Client {
  /** The body of a successful GET as it came. */
  text(path: string): Promise<string>;
}

/**
 * The API that a command is meant for, with the credential of the environment. The key is no option: other users can
 * read the arguments of a process.
 * @throws CommandError when neither the environment nor a running start says where it is
 */
export function apiAccess(): ApiAccess {
  const running = runningStart();
  const named = { url: process.env['PROKURA_API_URL'], key: process.env['PROKURA_API_KEY'] };
  // A key of the environment never goes to an address of another installation, and the other way round.
  const url = named.url ?? (named.key ? undefined : running?.api_url);
  const key = named.key ?? (named.url ? undefined : running?.api_key);
  if (!url || !key) {
    throw new CommandError('Set PROKURA_API_URL and PROKURA_API_KEY, both of them, or run `npm start` first.');
  }
  const root = serviceUrl(url);
  const client = createClient(root, key);
  return {
    get: (path) => told(client.get(path)),
    post: (path, body, expected) => told(client.post(path, body, expected)),
    async text(path) {
      const answer = await fetch(`${root}${path}`, { headers: { authorization: `Bearer ${key}` } });
      if (!answer.ok) throw new CommandError(`GET ${path} answered ${answer.status}`);
      return answer.text();
    },
  };
}

/** A refusal says everything: no stack is printed. */
async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof UnexpectedAnswer) throw new CommandError(error.message);
    throw error;
  }
}
