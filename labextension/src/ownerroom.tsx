/**
 * Room: what the owner set up, and whom the owner let in.
 */
import * as React from 'react';

import { ISectionProps } from './ownerlive';
import { IOwnerState } from './ownermodel';
import { Invited, TableSchema } from './protocol';
import { Facts } from './receipt';
import { isolation, moment, plural, role, values } from './words';

export function OwnersRoomView(props: ISectionProps): JSX.Element {
  const { state, actions } = props;
  return (
    <>
      <h3>Room</h3>
      <Facts rows={facts(state)} />
      <h3>Experts and owners</h3>
      <InviteForm invitation={state.invitation} onInvite={actions.invite} />
      <People invited={state.experts} onRevoke={actions.revoke} />
      <h3>Tables</h3>
      {state.room?.schema ? (
        state.room.schema.tables.map(table => <Table key={table.name} table={table} />)
      ) : (
        <p className="crk-Quiet">The prepared tables cannot be read.</p>
      )}
    </>
  );
}

function facts(state: IOwnerState): [string, string][] {
  const room = state.room;
  if (room === null) {
    return [];
  }
  const changed = Object.entries(room.settings).map(([name, value]) => `${name} = ${value}`);
  const { checkers, open_requests, days } = room.terms;
  return [
    ['Name', room.room],
    ['Experts’ address', room.address],
    ['Version', room.version],
    ['Isolation', isolation(room.tier)],
    ['Policy', [room.preset, ...changed].join(', ')],
    ['Requests', `${plural(checkers, 'checker')}; ${open_requests} of an expert may wait, ${plural(days, 'day')} each`]
  ];
}

function InviteForm(props: { invitation: string; onInvite: (name: string) => void }): JSX.Element {
  const [name, write] = React.useState('');
  return (
    <form
      className="crk-Invite"
      onSubmit={event => {
        event.preventDefault();
        props.onInvite(name.trim());
        write('');
      }}
    >
      <label>
        Invite an expert
        <input
          className="jp-mod-styled"
          placeholder="a name for the audit log, such as an e-mail address"
          maxLength={200}
          value={name}
          onChange={event => write(event.target.value)}
        />
      </label>
      <button className="jp-mod-styled crk-Small" type="submit" disabled={name.trim() === ''}>
        Invite
      </button>
      {props.invitation && (
        <label className="crk-Invitation">
          Send this one line over a channel that you trust. It is shown once.
          <textarea className="jp-mod-styled" readOnly rows={2} value={props.invitation} onFocus={event => event.target.select()} />
        </label>
      )}
    </form>
  );
}

function People(props: { invited: readonly Invited[]; onRevoke: (name: string) => void }): JSX.Element {
  const { invited, onRevoke } = props;
  return (
    <table className="crk-Grid">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col">Invited</th>
          <th scope="col">State</th>
          <th scope="col">
            <span className="crk-Hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {[...invited].reverse().map(one => (
          <tr key={one.invitation}>
            <th scope="row">{one.name}</th>
            <td>{one.kind}</td>
            <td>{moment(one.made)}</td>
            <td>{one.revoked === null ? 'may come in' : `revoked ${moment(one.revoked)}`}</td>
            <td className="crk-Actions">
              {one.kind === 'expert' && one.revoked === null && (
                <button
                  className="jp-mod-styled crk-Small"
                  aria-label={`Revoke the access of ${one.name}`}
                  onClick={() => onRevoke(one.name)}
                >
                  Revoke…
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Table(props: { table: TableSchema }): JSX.Element {
  const { table } = props;
  return (
    <details className="crk-Table">
      <summary>
        <span className="crk-Name">{table.name}</span>
        <span className="crk-Quiet"> {plural(table.columns.length, 'column')}</span>
      </summary>
      <table className="crk-Grid">
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Type</th>
            <th scope="col">Role</th>
            <th scope="col">May hold</th>
          </tr>
        </thead>
        <tbody>
          {table.columns.map(column => (
            <tr key={column.name}>
              <th scope="row">{column.name}</th>
              <td>{column.dtype}</td>
              <td>{role(column)}</td>
              <td>{values(column)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
