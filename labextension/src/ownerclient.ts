/**
 * Owner's client: what the owner's panel asks, through the owner's own Jupyter server, which holds the token.
 */
import { ServerConnection } from '@jupyterlab/services';

import { ask } from './client';
import {
  Decision,
  Examined,
  Invited,
  LedgerPage,
  LeftInFull,
  Live,
  NewInvitation,
  OwnerRoom,
  OwnerState,
  PolicyPage,
  Rehearsed,
  Request
} from './protocol';

export interface IOwnerClient {
  /** Which room's owner the Jupyter server speaks for. */
  state(): Promise<OwnerState>;
  /** Keep a line of `cleanroom invite --owner`. */
  connect(invitation: string): Promise<OwnerState>;
  room(): Promise<OwnerRoom>;
  sessions(): Promise<readonly Live[]>;
  interrupt(session: string): Promise<void>;
  end(session: string): Promise<void>;
  requests(): Promise<readonly Request[]>;
  examine(request: number): Promise<Examined>;
  decide(request: number, decision: Decision, comment: string): Promise<Request>;
  /** What left after entry `since` of the audit log. */
  ledger(since: number, verify: boolean): Promise<LedgerPage>;
  /** One release, by its entry in the audit log, with the code of its cell. */
  release(sequence: number): Promise<LeftInFull>;
  experts(): Promise<readonly Invited[]>;
  invite(name: string): Promise<NewInvitation>;
  revoke(name: string): Promise<void>;
  policy(): Promise<PolicyPage>;
  /** In place of the policy of that entry of the audit log. */
  savePolicy(settings: Settings, entry: number): Promise<PolicyPage>;
  /** The last rehearsal, with its rows after the first `since`; null where there was none. */
  rehearsal(since: number): Promise<Rehearsed | null>;
  rehearse(settings: Settings): Promise<Rehearsed>;
  cancelRehearsal(): Promise<void>;
}

export type Settings = { readonly [name: string]: boolean | number | string };

export class OwnerClient implements IOwnerClient {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  async state(): Promise<OwnerState> {
    return (await this.ask('')) as OwnerState;
  }

  async connect(invitation: string): Promise<OwnerState> {
    return (await this.post('', { invitation })) as OwnerState;
  }

  async room(): Promise<OwnerRoom> {
    return (await this.ask('/room')) as OwnerRoom;
  }

  async sessions(): Promise<readonly Live[]> {
    return (await this.ask('/sessions')) as Live[];
  }

  async interrupt(session: string): Promise<void> {
    await this.post(`/sessions/${session}/interrupt`, {});
  }

  async end(session: string): Promise<void> {
    await ask(this.settings, `owner/sessions/${session}`, { method: 'DELETE' });
  }

  async requests(): Promise<readonly Request[]> {
    return (await this.ask('/requests')) as Request[];
  }

  async examine(request: number): Promise<Examined> {
    return (await this.ask(`/requests/${request}`)) as Examined;
  }

  async decide(request: number, decision: Decision, comment: string): Promise<Request> {
    return (await this.post(`/requests/${request}`, { decision, comment })) as Request;
  }

  async ledger(since: number, verify: boolean): Promise<LedgerPage> {
    return (await this.ask(`/ledger?since=${since}&verify=${Number(verify)}`)) as LedgerPage;
  }

  async release(sequence: number): Promise<LeftInFull> {
    return (await this.ask(`/ledger/${sequence}`)) as LeftInFull;
  }

  async experts(): Promise<readonly Invited[]> {
    return (await this.ask('/experts')) as Invited[];
  }

  async invite(name: string): Promise<NewInvitation> {
    return (await this.post('/experts', { name })) as NewInvitation;
  }

  async revoke(name: string): Promise<void> {
    await this.post('/experts/revoke', { name });
  }

  async policy(): Promise<PolicyPage> {
    return (await this.ask('/policy')) as PolicyPage;
  }

  async savePolicy(settings: Settings, entry: number): Promise<PolicyPage> {
    return (await this.post('/policy', { settings, entry })) as PolicyPage;
  }

  async rehearsal(since: number): Promise<Rehearsed | null> {
    return (await this.ask(`/rehearsal?since=${since}`)) as Rehearsed | null;
  }

  async rehearse(settings: Settings): Promise<Rehearsed> {
    return (await this.post('/rehearsal', { settings })) as Rehearsed;
  }

  async cancelRehearsal(): Promise<void> {
    await ask(this.settings, 'owner/rehearsal', { method: 'DELETE' });
  }

  private ask(path: string): Promise<unknown> {
    return ask(this.settings, `owner${path}`);
  }

  private post(path: string, body: unknown): Promise<unknown> {
    return ask(this.settings, `owner${path}`, { method: 'POST', body: JSON.stringify(body) });
  }
}
