/**
 * Owner's model: what is known of the owner's room. One state, one signal.
 *
 * Promise: the ledger is read on from where it was read before; what fails is said, and what was known stays shown.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { Unanswered } from './client';
import { IOwnerClient, Settings } from './ownerclient';
import {
  Decision,
  Examined,
  Invited,
  Judged,
  Left,
  LeftInFull,
  Live,
  NotValid,
  OwnerRoom,
  OwnerState,
  PolicyPage,
  Rehearsed,
  Request,
  Verification,
  WrongSetting
} from './protocol';

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
  /** The release that is looked at. */
  readonly release: LeftInFull | null;
  readonly experts: readonly Invited[];
  /** Null from a server that does not tell. */
  readonly policy: PolicyPage | null;
  /** The last one. */
  readonly rehearsal: Rehearsed | null;
  /** Its questions so far. */
  readonly rehearsed: readonly Judged[];
  /** What is wrong with the draft that was last saved or rehearsed. */
  readonly wrong: readonly WrongSetting[];
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
  release: null,
  experts: [],
  policy: null,
  rehearsal: null,
  rehearsed: [],
  wrong: [],
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
      const [sessions, requests, more, experts, found, policy] = await Promise.all([
        this.client.sessions(),
        this.client.requests(),
        this.client.ledger(last, isFirst),
        this.client.experts(),
        room ?? this.client.room(),
        this._policy()
      ]);
      this._set({
        sessions,
        requests,
        experts,
        room: found,
        policy,
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

  /** Look at a release; null looks away. */
  async open(sequence: number | null): Promise<void> {
    await this._try(async () => {
      this._set({ release: sequence === null ? null : await this.client.release(sequence) });
      return '';
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

  async savePolicy(settings: Settings, entry: number): Promise<void> {
    await this._draft(async () => {
      this._set({ policy: await this.client.savePolicy(settings, entry), wrong: [] });
      this._set({ room: await this.client.room() });
      return 'The policy is saved and in force.';
    });
  }

  async rehearse(settings: Settings): Promise<void> {
    await this._draft(async () => {
      const rehearsal = await this.client.rehearse(settings);
      this._set({ rehearsal, rehearsed: rehearsal.rows, wrong: [] });
      return 'The rehearsal has begun.';
    });
  }

  async cancelRehearsal(): Promise<void> {
    await this._try(async () => {
      await this.client.cancelRehearsal();
      return 'The rehearsal is cancelled.';
    });
    await this.follow();
  }

  get isRehearsing(): boolean {
    return this._state.rehearsal?.ending === 'running';
  }

  /** Ask how far the rehearsal is. */
  async follow(): Promise<void> {
    await this._try(async () => {
      const since = this._state.rehearsed.length;
      const rehearsal = await this.client.rehearsal(since);
      if (rehearsal !== null) {
        const rehearsed = since === this._state.rehearsed.length ? [...this._state.rehearsed, ...rehearsal.rows] : rehearsal.rows;
        this._set({ rehearsal, rehearsed });
      }
      return '';
    });
  }

  /** A new value only where another policy came into force, so that nothing is drawn again for nothing. */
  private async _policy(): Promise<PolicyPage | null> {
    try {
      const found = await this.client.policy();
      const known = this._state.policy;
      return known?.current.entry === found.current.entry ? known : found;
    } catch (error) {
      if (error instanceof Unanswered) {
        return null; // an older server has none
      }
      throw error;
    }
  }

  private async _draft(work: () => Promise<string>): Promise<void> {
    await this._try(async () => {
      try {
        return await work();
      } catch (error) {
        const body = error instanceof Unanswered ? (error.body as Partial<NotValid> | null) : null;
        this._set({ wrong: body?.wrong ?? [] });
        throw error;
      }
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
