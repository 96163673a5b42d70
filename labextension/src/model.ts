/**
 * Model: the room of the current notebook. One state, one signal.
 *
 * Promise: receipts are the server's own, from its list and from its replies; each is there once. Answers about a
 * kernel that is no longer followed are dropped.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { IClient } from './client';
import { IFindings, isFit } from './findings';
import { Receipt } from './protocol';
import { ICleanRoom, IDenied, IRoomState } from './tokens';

const SOON_MS = 500;

const NOTHING: IRoomState = {
  kernel: null,
  description: null,
  receipts: [],
  denied: [],
  requests: [],
  budget: null,
  failure: ''
};

export class RoomModel implements ICleanRoom {
  constructor(private readonly client: IClient) {}

  get state(): IRoomState {
    return this._state;
  }

  get changed(): ISignal<ICleanRoom, void> {
    return this._changed;
  }

  get isActive(): boolean {
    return !!this._state.kernel?.connection;
  }

  get released(): number {
    return this._state.receipts.filter(receipt => !isFit(receipt)).length;
  }

  /** Whether a session is on its way. */
  get isStarting(): boolean {
    const kernel = this._state.kernel;
    return this.isActive && !kernel?.session && !kernel?.problem;
  }

  follow(kernel: string | null): void {
    if (kernel === this._followed) {
      return;
    }
    this._followed = kernel;
    this._set({ ...NOTHING, denied: (kernel && this._denied.get(kernel)) || [] });
  }

  async refresh(): Promise<void> {
    const followed = this._followed;
    if (followed === null || this._state.kernel?.connection === null) {
      return; // no kernel of ours becomes one
    }
    try {
      await this._ask(followed);
    } catch (error) {
      if (followed === this._followed) {
        this._set({ ...this._state, failure: (error as Error).message });
      }
    }
  }

  soon(): void {
    if (this._later === null) {
      this._later = setTimeout(() => {
        this._later = null;
        void this.refresh();
      }, SOON_MS);
    }
  }

  heard(kernel: string, findings: IFindings): void {
    const { request, time } = findings;
    const denied: IDenied[] = findings.denials.map(denial => ({ request, time, ...denial }));
    this._denied.set(kernel, [...(this._denied.get(kernel) ?? []), ...denied]);
    if (kernel === this._followed) {
      const receipts = merged(this._state.receipts, findings.receipts);
      this._set({ ...this._state, receipts, denied: this._denied.get(kernel) ?? [] });
    }
  }

  private async _ask(followed: string): Promise<void> {
    const kernel = await this.client.state(followed);
    if (followed !== this._followed) {
      return;
    }
    const fresh = kernel.session?.id !== this._state.kernel?.session?.id;
    this._set({ ...this._state, kernel, failure: '', ...(fresh ? { receipts: [], description: null } : {}) });
    const session = kernel.session;
    if (session === null) {
      return;
    }
    const [receipts, description, requests, budget] = await Promise.all([
      session.receipts > this._state.receipts.length ? this.client.receipts(followed) : [],
      this.client.description(followed), // its owner may have saved another policy
      this.client.requests(followed),
      this.client.budget(followed)
    ]);
    if (followed === this._followed && this._state.kernel?.session?.id === session.id) {
      this._set({ ...this._state, description, requests, budget, receipts: merged(this._state.receipts, receipts) });
    }
  }

  private _set(state: IRoomState): void {
    this._state = state;
    this._changed.emit();
  }

  private _state = NOTHING;
  private _followed: string | null = null;
  private _later: ReturnType<typeof setTimeout> | null = null;
  private readonly _denied = new Map<string, readonly IDenied[]>();
  private readonly _changed = new Signal<ICleanRoom, void>(this);
}

function merged(known: readonly Receipt[], more: readonly Receipt[]): readonly Receipt[] {
  if (more.length === 0) {
    return known;
  }
  const all = new Map<number, Receipt>();
  for (const receipt of [...known, ...more]) {
    all.set(receipt.number, receipt);
  }
  return [...all.values()].sort((one, other) => one.number - other.number);
}
