/**
 * What the owner's panel shows: who it speaks for, and one of its sections.
 */
import * as React from 'react';

import { LedgerView } from './ownerledger';
import { LiveView } from './ownerlive';
import { Settings } from './ownerclient';
import { IOwnerState } from './ownermodel';
import { PolicyView } from './ownerpolicy';
import { RequestsView } from './ownerrequests';
import { OwnersRoomView } from './ownerroom';
import { Decision } from './protocol';

export interface IOwnerActions {
  connect(line: string): void;
  examine(request: number): void;
  decide(request: number, decision: Decision, comment: string): Promise<void>;
  interrupt(session: string): void;
  end(session: string, expert: string): void;
  verify(): void;
  open(sequence: number | null): void;
  save(): void;
  invite(name: string): void;
  revoke(name: string): void;
  rehearse(draft: Settings): void;
  cancelRehearsal(): void;
  savePolicy(draft: Settings, entry: number): void;
}

export interface IOwnerProps {
  readonly state: IOwnerState;
  readonly isConnected: boolean;
  readonly waiting: number;
  readonly actions: IOwnerActions;
}

const TABS = ['Live', 'Requests', 'Ledger', 'Policy', 'Room'] as const;
type Tab = (typeof TABS)[number];

export function OwnerView(props: IOwnerProps): JSX.Element {
  const { state, isConnected, actions } = props;
  const [tab, choose] = React.useState<Tab>('Live');
  return (
    <>
      <header className="crk-Owner-header">
        <h2>Clean Room · Owner</h2>
        <span className="crk-Quiet">
          {state.connection?.room && `Room ${state.connection.room} at ${state.connection.address}`}
        </span>
        <span className="crk-Owner-done" role="status">
          {state.done}
        </span>
      </header>
      {state.failure && (
        <p className="crk-Problem crk-Owner-failure" role="alert">
          {state.failure}
        </p>
      )}
      {state.connection !== null && !isConnected && <ConnectView onConnect={actions.connect} />}
      {isConnected && (
        <>
          <TabBar current={tab} counts={{ Requests: props.waiting }} onChoose={choose} />
          <div
            id={`crk-owner-${tab}`}
            className="crk-Owner-body"
            role="tabpanel"
            aria-labelledby={`crk-owner-tab-${tab}`}
          >
            {tab === 'Live' && <LiveView state={state} actions={actions} />}
            {tab === 'Requests' && <RequestsView state={state} actions={actions} />}
            {tab === 'Ledger' && <LedgerView state={state} actions={actions} />}
            {tab === 'Policy' && <PolicyView state={state} actions={actions} />}
            {tab === 'Room' && <OwnersRoomView state={state} actions={actions} />}
          </div>
        </>
      )}
    </>
  );
}

interface ITabBarProps {
  readonly current: Tab;
  readonly counts: { readonly [tab in Tab]?: number };
  readonly onChoose: (tab: Tab) => void;
}

/** One stop for the Tab key; the arrows go from tab to tab. */
function TabBar(props: ITabBarProps): JSX.Element {
  const { current, counts, onChoose } = props;
  const move = (event: React.KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step !== undefined) {
      const next = TABS[(TABS.indexOf(current) + step + TABS.length) % TABS.length];
      onChoose(next);
      event.currentTarget.querySelector<HTMLElement>(`#crk-owner-tab-${next}`)?.focus();
      event.preventDefault();
    }
  };
  return (
    <div className="crk-Tabs" role="tablist" aria-label="Sections" onKeyDown={move}>
      {TABS.map(tab => (
        <button
          key={tab}
          id={`crk-owner-tab-${tab}`}
          className="crk-Tab"
          role="tab"
          aria-selected={tab === current}
          aria-controls={tab === current ? `crk-owner-${tab}` : undefined}
          tabIndex={tab === current ? 0 : -1}
          onClick={() => onChoose(tab)}
        >
          {tab}
          {!!counts[tab] && <span className="crk-Tab-count"> {counts[tab]}</span>}
        </button>
      ))}
    </div>
  );
}

function ConnectView(props: { onConnect: (line: string) => void }): JSX.Element {
  const [line, write] = React.useState('');
  return (
    <form
      className="crk-Owner-body crk-Owner-connect"
      onSubmit={event => {
        event.preventDefault();
        props.onConnect(line);
      }}
    >
      <p>
        This panel is for a room’s owner. On the server’s machine, run <code>cleanroom invite --owner YOUR-NAME</code> and
        paste the line that it prints. Your name stands in the audit log beside what you decide.
      </p>
      <label>
        The owner’s line
        <input
          className="jp-mod-styled crk-Owner-line"
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="cleanroom+owner://…"
          value={line}
          onChange={event => write(event.target.value)}
        />
      </label>
      <button className="jp-Dialog-button jp-mod-styled jp-mod-accept" type="submit" disabled={line.trim() === ''}>
        Connect
      </button>
    </form>
  );
}
