/**
 * Client: what the extension asks of its own part in the Jupyter server (`cleanroom_kernel.kernel.labserver`).
 *
 * No token passes here: that part holds them, and asks the room.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { isReceipt } from './findings';
import { Invitation, KernelState, Receipt, SavedConnection, Spent, Standing, Welcome } from './protocol';

export interface IClient {
  /** What a running kernel is connected to. */
  state(kernel: string): Promise<KernelState>;
  /** Everything that was released to the kernel's session. */
  receipts(kernel: string): Promise<readonly Receipt[]>;
  /** Tables and policy of the kernel's room; null from a server that does not tell. */
  description(kernel: string): Promise<Welcome | null>;
  /** How the requests of the kernel's expert stand with the owner. */
  requests(kernel: string): Promise<readonly Standing[]>;
  /** What the kernel's expert has had, over all sessions; null from a server that does not tell. */
  budget(kernel: string): Promise<Spent | null>;
  /** Save a pasted invitation as a connection. The error's message is for the expert. */
  connect(invitation: Invitation): Promise<SavedConnection>;
}

export class Client implements IClient {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  async state(kernel: string): Promise<KernelState> {
    return (await this.request(`kernels/${kernel}`)) as KernelState;
  }

  async receipts(kernel: string): Promise<readonly Receipt[]> {
    const answer = await this.request(`kernels/${kernel}/receipts`);
    return Array.isArray(answer) ? answer.filter(isReceipt) : [];
  }

  async description(kernel: string): Promise<Welcome | null> {
    return (await this.request(`kernels/${kernel}/room`)) as Welcome | null;
  }

  async requests(kernel: string): Promise<readonly Standing[]> {
    const answer = await this.request(`kernels/${kernel}/requests`);
    return Array.isArray(answer) ? (answer as Standing[]) : [];
  }

  async budget(kernel: string): Promise<Spent | null> {
    return (await this.request(`kernels/${kernel}/budget`)) as Spent | null;
  }

  async connect(invitation: Invitation): Promise<SavedConnection> {
    const init = { method: 'POST', body: JSON.stringify(invitation) };
    return (await this.request('connections', init)) as SavedConnection;
  }

  private request(path: string, init: RequestInit = {}): Promise<unknown> {
    return ask(this.settings, path, init);
  }
}

/** What was not done, in words for whoever sits there; `body` is all that was said about it. */
export class Unanswered extends Error {
  constructor(
    message: string,
    readonly body: unknown
  ) {
    super(message);
  }
}

/** Ask our part of the Jupyter server. Throws `Unanswered`. */
export async function ask(settings: ServerConnection.ISettings, path: string, init: RequestInit = {}): Promise<unknown> {
  const [address, query] = path.split('?');
  const url = URLExt.join(settings.baseUrl, 'cleanroom', address) + (query ? `?${query}` : '');
  const response = await ServerConnection.makeRequest(url, init, settings);
  if (!response.ok) {
    throw await unanswered(response);
  }
  return response.status === 204 ? null : response.json();
}

async function unanswered(response: Response): Promise<Unanswered> {
  try {
    const body: unknown = await response.json();
    const said = (body as { message?: unknown }).message;
    return new Unanswered(typeof said === 'string' ? said : response.statusText, body);
  } catch {
    return new Unanswered(response.statusText, null); // no JSON: not our part of the server
  }
}
