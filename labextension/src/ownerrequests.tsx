/**
 * Requests: what experts ask the owner to let out, with the very numbers, and the owner's word on it.
 */
import * as React from 'react';

import { ISectionProps } from './ownerlive';
import { PreviewView } from './preview';
import { Decision, Examined, Request } from './protocol';
import { Facts } from './receipt';
import { moment, plural } from './words';

export function RequestsView(props: ISectionProps): JSX.Element {
  const { state, actions } = props;
  const [all, showAll] = React.useState(false);
  const waiting = state.requests.filter(request => request.state === 'asked');
  const listed = all ? state.requests : waiting;
  return (
    <div className="crk-Split">
      <div className="crk-Split-list">
        <label className="crk-Check">
          <input type="checkbox" checked={all} onChange={event => showAll(event.target.checked)} />
          Show decided ones too
        </label>
        {listed.length === 0 && <p className="crk-Quiet">{all ? 'Nobody has asked for anything.' : 'No request waits.'}</p>}
        <ul className="crk-Queue" aria-label="Requests, the newest first">
          {listed.map(request => (
            <li key={request.number}>
              <button
                className="crk-Queue-item"
                aria-current={state.examined?.request.number === request.number}
                onClick={() => actions.examine(request.number)}
              >
                <span className="crk-Number">#{request.number}</span> <span className="crk-Name">{request.expert}</span>{' '}
                <span className="crk-State" data-state={request.state}>
                  {request.state}
                </span>
                <div>{request.title}</div>
                <div className="crk-Quiet">{moment(request.asked)}</div>
              </button>
            </li>
          ))}
        </ul>
      </div>
      <div className="crk-Split-detail">
        {state.examined === null ? (
          <p className="crk-Quiet">Choose a request to see its reason, what speaks against it, and what would leave.</p>
        ) : (
          <ExaminedView key={state.examined.request.number} examined={state.examined} onDecide={actions.decide} />
        )}
      </div>
    </div>
  );
}

interface IExaminedProps {
  readonly examined: Examined;
  readonly onDecide: (request: number, decision: Decision, comment: string) => Promise<void>;
}

export function ExaminedView(props: IExaminedProps): JSX.Element {
  const { examined, onDecide } = props;
  const { request } = examined;
  const rows: [string, string][] = [
    ['Asked', `${moment(request.asked)} by ${request.expert}`],
    ['State', request.state],
    ['Expires', request.state === 'asked' ? moment(request.expires) : ''],
    ['Checkers', request.checkers > 1 ? checkers(request) : ''],
    ['Units', examined.units],
    ['Rounding', examined.precision],
    ['SHA-256', request.sha256]
  ];
  return (
    <article aria-label={`Request ${request.number}`}>
      <h3>
        <span className="crk-Number">#{request.number}</span> {request.title}
      </h3>
      <h4>Reason</h4>
      <blockquote className="crk-Said">{request.reason}</blockquote>
      <h4>What the rules say against it</h4>
      <ul className="crk-Findings">
        {request.findings.map(finding => (
          <li key={finding}>{finding}</li>
        ))}
      </ul>
      <h4>What would leave</h4>
      <PreviewView preview={examined.preview} />
      <Facts rows={rows} />
      {examined.code && (
        <details>
          <summary>Code of the cell</summary>
          <pre className="crk-Pre">{examined.code}</pre>
        </details>
      )}
      <History request={request} />
      {request.state === 'asked' && (
        <DecideForm request={request} canApprove={examined.preview !== null} onDecide={onDecide} />
      )}
    </article>
  );
}

function checkers(request: Request): string {
  const agreed = request.steps.filter(said => said.step === 'agree' || said.step === 'approve');
  const names = agreed.map(said => said.person).join(', ');
  return `${agreed.length} of ${plural(request.checkers, 'approval')}${names ? ` (${names})` : ''}`;
}

function History(props: { request: Request }): JSX.Element | null {
  const { steps } = props.request;
  if (steps.length === 0) {
    return null;
  }
  return (
    <>
      <h4>What was decided</h4>
      <ul className="crk-Findings">
        {steps.map(said => (
          <li key={`${said.time} ${said.step} ${said.person}`}>
            {said.person || 'nobody'}: {said.step}, {moment(said.time)}
            {said.comment && <blockquote className="crk-Said">{said.comment}</blockquote>}
          </li>
        ))}
      </ul>
    </>
  );
}

interface IDecideProps {
  readonly request: Request;
  readonly canApprove: boolean;
  readonly onDecide: (request: number, decision: Decision, comment: string) => Promise<void>;
}

const LONGEST = 2000;

function DecideForm(props: IDecideProps): JSX.Element {
  const { request, canApprove, onDecide } = props;
  const [comment, write] = React.useState('');
  const [isBusy, setBusy] = React.useState(false);
  const decide = (decision: Decision) => async () => {
    setBusy(true);
    await onDecide(request.number, decision, comment);
    setBusy(false);
  };
  return (
    <div className="crk-Decide">
      <label>
        Comment for {request.expert}
        <textarea
          className="jp-mod-styled"
          rows={3}
          maxLength={LONGEST}
          value={comment}
          onChange={event => write(event.target.value)}
        />
      </label>
      <div className="crk-Toolbar">
        <button
          className="jp-Dialog-button jp-mod-styled jp-mod-accept"
          disabled={isBusy || !canApprove}
          onClick={decide('approve')}
        >
          Approve
        </button>
        <button
          className="jp-Dialog-button jp-mod-styled jp-mod-reject"
          disabled={isBusy || comment.trim() === ''}
          title={comment.trim() === '' ? 'Write what to change' : undefined}
          onClick={decide('return')}
        >
          Return with comment
        </button>
        <button className="jp-Dialog-button jp-mod-styled jp-mod-warn" disabled={isBusy} onClick={decide('reject')}>
          Reject
        </button>
      </div>
      <p className="crk-Quiet">
        {canApprove
          ? 'Approved, exactly the numbers above leave, and later answers are judged beside them.'
          : 'There is nothing that could be approved.'}
      </p>
    </div>
  );
}
