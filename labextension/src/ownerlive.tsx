/**
 * Live: who is in the room now, and what leaves as it leaves.
 */
import * as React from 'react';

import { IOwnerState } from './ownermodel';
import { IOwnerActions } from './ownerview';
import { Live } from './protocol';
import { clock, isolation, memory, moment, sizes } from './words';

/** Releases in the stream. */
const STREAM = 40;

export interface ISectionProps {
  readonly state: IOwnerState;
  readonly actions: IOwnerActions;
}

export function LiveView(props: ISectionProps): JSX.Element {
  const { state, actions } = props;
  const unit = state.room?.schema?.unit_name ?? 'unit';
  const stream = state.ledger.slice(-STREAM).reverse();
  return (
    <>
      <h3>Sessions</h3>
      {state.sessions.length === 0 ? (
        <p className="crk-Quiet">Nobody is in the room.</p>
      ) : (
        <table className="crk-Grid">
          <thead>
            <tr>
              <th scope="col">Expert</th>
              <th scope="col">Since</th>
              <th scope="col">Now</th>
              <th scope="col">Released</th>
              <th scope="col">Memory</th>
              <th scope="col">Isolation</th>
              <th scope="col">
                <span className="crk-Hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {state.sessions.map(session => (
              <SessionRow key={session.id} session={session} actions={actions} />
            ))}
          </tbody>
        </table>
      )}
      <h3>What leaves</h3>
      {stream.length === 0 && <p className="crk-Quiet">Nothing has left the room yet.</p>}
      <ol className="crk-Stream" aria-label="Releases, the newest first">
        {stream.map(entry => (
          <li key={entry.sequence}>
            <time className="crk-Quiet" dateTime={entry.time} title={moment(entry.time)}>
              {clock(entry.time)}
            </time>
            <span className="crk-Name">{entry.expert}</span>
            <span className="crk-Stream-title">{entry.title}</span>
            <span className="crk-Quiet">{sizes(entry, unit)}</span>
          </li>
        ))}
      </ol>
    </>
  );
}

function SessionRow(props: { session: Live; actions: IOwnerActions }): JSX.Element {
  const { session, actions } = props;
  const isBusy = session.execution_state === 'busy';
  return (
    <tr>
      <th scope="row">
        {session.expert}
        <div className="crk-Quiet">{session.address}</div>
      </th>
      <td>{moment(session.started)}</td>
      <td>
        {isBusy ? <code className="crk-Code">{firstLine(session.running)}</code> : <span className="crk-Quiet">idle</span>}
        {session.connections === 0 && <div className="crk-Quiet">not connected</div>}
      </td>
      <td className="crk-Amount">{session.receipts}</td>
      <td className="crk-Amount">{memory(session.memory)}</td>
      <td>{isolation(session.tier)}</td>
      <td className="crk-Actions">
        <button
          className="jp-mod-styled crk-Small"
          disabled={!isBusy}
          aria-label={`Interrupt the cell of ${session.expert}`}
          onClick={() => actions.interrupt(session.id)}
        >
          Interrupt
        </button>
        <button
          className="jp-mod-styled crk-Small"
          aria-label={`End the session of ${session.expert}`}
          onClick={() => actions.end(session.id, session.expert)}
        >
          End…
        </button>
      </td>
    </tr>
  );
}

function firstLine(code: string): string {
  const [first, ...rest] = code.trim().split('\n');
  return rest.length > 0 ? `${first} …` : first;
}
