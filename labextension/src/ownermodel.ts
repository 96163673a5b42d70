/**
 * Owner's model: what is known of the owner's room. One state, one signal.
 *
 * Promise: the ledger is read on from where it was read before; what fails is said, and what was known stays shown.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { IOwnerClient } from './ownerclient';
import { Decision, Examined, Invited, Left, Live, OwnerRoom, OwnerState, Request, Verification } from './protocol';

export interface IOwnerState {
  /** Null while it is not known. */
  readonly connection: OwnerState | null;
  readonly room: OwnerRoom | null;
  readonly sessions: readonly Live[];
  /** The newest first. */
  readonly requests: readonly Request[];
  /** The request that is looked at. */
  readonly examined: Examined | null;
  /** In order. */
  readonly ledger: readonly Left[];
  readonly verification: Verification | null;
  readonly experts: readonly Invited[];
  /** What went wrong last; empty when nothing did. */
  readonly failure: string;
  /** What was done last, for who cannot see that it changed something. */
  readonly done: string;
  /** The line of a new invitation, shown until the next one. */
  readonly invitation: string;
}

const NOTHING: IOwnerState = {
  connection: null,
  room: null,
  sessions: [],
  requests: [],
  examined: null,
  ledger: [],
  verification: null,
  experts: [],
  failure: '',
  done: '',
  invitation: ''
};

const DONE: { [decision in Decision]: string } = {
  approve: 'approved',
  reject: 'rejected',
  return: 'returned with your comment'
};

export class OwnerModel {
  constructor(private readonly client: IOwnerClient) {}

  get state(): IOwnerState {
    return this._state;
  }

  get changed(): ISignal<OwnerModel, void> {
    return this._changed;
  }

  get isConnected(): boolean {
    return !!this._state.connection?.room;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this._state.requests.filter(request => request.state === 'asked').length;
  }

  /** Ask for everything that can have changed. */
  async refresh(): Promise<void> {
    await this._try(async () => {
      if (!this.isConnected) {
        this._set({ connection: await this.client.state() });
      }
      if (!this.isConnected) {
        return '';
      }
      const { ledger, room } = this._state;
      const last = ledger.length > 0 ? ledger[ledger.length - 1].sequence : 0;
      const isFirst = this._state.verification === null;
      const [sessions, requests, more, experts, found] = await Promise.all([
        this.client.sessions(),
        this.client.requests(),
        this.client.ledger(last, isFirst),
        this.client.experts(),
        room ?? this.client.room()
      ]);
      this._set({
        sessions,
        requests,
        experts,
        room: found,
        ledger: joined(this._state.ledger, more.entries),
        verification: more.verification ?? this._state.verification,
        failure: ''
      });
      return '';
    });
  }

  async connect(line: string): Promise<void> {
    await this._try(async () => {
      this._set({ ...NOTHING, connection: await this.client.connect(line) });
      return 'Connected.';
    });
    await this.refresh();
  }

  async examine(request: number): Promise<void> {
    await this._try(async () => {
      this._set({ examined: await this.client.examine(request) });
      return '';
    });
  }

  async decide(request: number, decision: Decision, comment: string): Promise<void> {
    await this._try(async () => {
      const after = await this.client.decide(request, decision, comment);
      const waits = after.state === 'asked';
      this._set({ examined: await this.client.examine(request), requests: await this.client.requests() });
      return `Request ${request} is ${waits ? 'noted; it needs another checker' : DONE[decision]}.`;
    });
  }

  async interrupt(session: string): Promise<void> {
    await this._try(async () => {
      await this.client.interrupt(session);
      return 'Interrupted.';
    });
  }

  async end(session: string): Promise<void> {
    await this._try(async () => {
      await this.client.end(session);
      this._set({ sessions: await this.client.sessions() });
      return 'The session has ended.';
    });
  }

  async verify(): Promise<void> {
    await this._try(async () => {
      const page = await this.client.ledger(Number.MAX_SAFE_INTEGER, true);
      this._set({ verification: page.verification });
      return 'The chain was verified.';
    });
  }

  async invite(name: string): Promise<void> {
    await this._try(async () => {
      const made = await this.client.invite(name);
      this._set({ invitation: made.invitation, experts: await this.client.experts() });
      return `Invitation for ${name} made.`;
    });
  }

  async revoke(name: string): Promise<void> {
    await this._try(async () => {
      await this.client.revoke(name);
      this._set({ experts: await this.client.experts() });
      return `${name} has no access any more.`;
    });
  }

  private async _try(work: () => Promise<string>): Promise<void> {
    try {
      const done = await work();
      if (done) {
        this._set({ done, failure: '' });
      }
    } catch (error) {
      this._set({ failure: (error as Error).message, done: '' });
    }
  }

  private _set(more: Partial<IOwnerState>): void {
    this._state = { ...this._state, ...more };
    this._changed.emit();
  }

  private _state = NOTHING;
  private readonly _changed = new Signal<OwnerModel, void>(this);
}

function joined(known: readonly Left[], more: readonly Left[]): readonly Left[] {
  const last = known.length > 0 ? known[known.length - 1].sequence : 0;
  const fresh = more.filter(entry => entry.sequence > last);
  return fresh.length > 0 ? [...known, ...fresh] : known;
}
