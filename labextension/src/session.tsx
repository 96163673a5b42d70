/**
 * Session: which room, as whom, under which policy, how well confined, and what is wrong if something is.
 */
import * as React from 'react';

import { Facts } from './receipt';
import { IRoomState } from './tokens';
import { isolation } from './words';

export interface ISessionProps {
  readonly state: IRoomState;
  readonly onConnect: () => void;
}

/** Problems that a new invitation mends. */
const MENDED = ['unknown token', 'revoked', 'certificate', 'not connected'];

export function SessionView(props: ISessionProps): JSX.Element {
  const { state, onConnect } = props;
  const kernel = state.kernel;
  const connection = kernel?.connection ?? null;
  if (state.failure) {
    return <p className="crk-Problem" role="alert">{`This Jupyter server does not answer: ${state.failure}.`}</p>;
  }
  if (!kernel || !connection) {
    return <Unconnected onConnect={onConnect} />;
  }
  const problem = kernel.problem;
  return (
    <>
      {problem && (
        <div className="crk-Problem" role="alert">
          <p>{problem.message}</p>
          {MENDED.includes(problem.problem) && <ConnectButton onConnect={onConnect} />}
        </div>
      )}
      {kernel.tier === 'none' && (
        <p className="crk-Problem">Cells run here without confinement. A room like this is for synthetic data only.</p>
      )}
      <Facts rows={facts(state)} />
    </>
  );
}

function facts(state: IRoomState): [string, string][] {
  const { kernel, receipts, description } = state;
  const last = receipts[receipts.length - 1];
  const session = kernel?.session;
  const connection = kernel?.connection;
  return [
    ['Room', connection?.room ?? ''],
    ['Server', connection ? `${connection.address}${connection.tls ? '' : ' (this machine, not encrypted)'}` : ''],
    ['Expert', session?.expert || last?.expert || ''],
    ['Policy', description?.preset ?? last?.policy ?? ''],
    ['Isolation', isolation(session?.tier ?? kernel?.tier ?? '')],
    ['Session', session ? `open (${session.id.slice(0, 8)})` : kernel?.problem ? '' : 'none yet']
  ];
}

function Unconnected(props: { onConnect: () => void }): JSX.Element {
  return (
    <>
      <p>
        The notebook in front is not in a clean room. Open one with the kernel “Clean Room”, or connect to a room with
        the invitation that its owner sent you.
      </p>
      <ConnectButton onConnect={props.onConnect} />
    </>
  );
}

function ConnectButton(props: { onConnect: () => void }): JSX.Element {
  return (
    <button className="jp-Dialog-button jp-mod-styled jp-mod-accept crk-Button" onClick={props.onConnect}>
      Connect to a room…
    </button>
  );
}
