/**
 * Requests: what this expert has asked the owner for, and what became of it.
 */
import * as React from 'react';

import { resultCode } from './code';
import { Standing, State } from './protocol';
import { moment } from './words';

export interface IRequestsProps {
  readonly requests: readonly Standing[];
  /** Whether the cell that asked is in the notebook. */
  readonly has: (request: string) => boolean;
  readonly onJump: (request: string) => void;
  readonly onInsert: (code: string) => void;
}

/** Requests that are drawn at once. */
export const PAGE = 20;

const NEXT: { [state in State]: string } = {
  asked: 'The owner has not decided yet.',
  approved: '',
  rejected: 'The owner rejected it.',
  returned: 'The owner returned it. Ask again with another reason, or for something else.',
  expired: 'Nobody decided in time. Ask again if you still need it.',
  withdrawn: 'You took it back.',
  running: 'It runs beside the rows.',
  done: 'It has run; what it gave is with the owner, or in its result.',
  failed: 'It ran and did not finish.'
};

export function RequestsView(props: IRequestsProps): JSX.Element {
  const { requests } = props;
  const [shown, show] = React.useState(PAGE);
  if (requests.length === 0) {
    return (
      <p className="crk-Quiet">
        What the policy withholds, the owner can let out. Open the line under a cell that says <i>withheld</i>, and ask.
      </p>
    );
  }
  return (
    <>
      <ul className="crk-Releases" aria-label="Requests to the owner, the newest first">
        {requests.slice(0, shown).map(request => (
          <li key={request.number}>
            <OneRequest request={request} {...props} />
          </li>
        ))}
      </ul>
      {requests.length > shown && (
        <button className="jp-mod-styled crk-Button" onClick={() => show(shown + PAGE)}>
          Show earlier requests
        </button>
      )}
    </>
  );
}

function OneRequest(props: { request: Standing } & IRequestsProps): JSX.Element {
  const { request, has, onJump, onInsert } = props;
  return (
    <details open={request.state === 'approved' || request.state === 'returned' || undefined}>
      <summary>
        <span className="crk-Number">#{request.number}</span>{' '}
        <span className="crk-State" data-state={request.state}>
          {request.state}
        </span>{' '}
        {request.title}
        <div className="crk-Quiet">{moment(request.decided || request.asked)}</div>
      </summary>
      <p>{NEXT[request.state]}</p>
      {request.state === 'asked' && request.checkers > 1 && (
        <p className="crk-Quiet">
          {request.agreed} of {request.checkers} checkers agree.
        </p>
      )}
      {request.comment && (
        <>
          <p className="crk-Quiet">The owner wrote</p>
          <blockquote className="crk-Said">{request.comment}</blockquote>
        </>
      )}
      <p className="crk-Quiet">Your reason</p>
      <blockquote className="crk-Said">{request.reason}</blockquote>
      {request.state === 'approved' && request.job === '' && (
        <button className="jp-mod-styled crk-Button" onClick={() => onInsert(resultCode(request.number))}>
          Insert its value
        </button>
      )}
      {has(request.cell) && (
        <button className="crk-Link" onClick={() => onJump(request.cell)}>
          Go to its cell
        </button>
      )}
    </details>
  );
}
