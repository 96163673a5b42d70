/**
 * What a badge shows, and its receipts when it is open.
 */
import * as React from 'react';

import { IFindings, isQuestion } from './findings';
import { ReceiptView } from './receipt';
import { explained, outcome, Outcome, summary } from './words';

const SIGNS: { [outcome in Outcome]: string } = { released: '✓', withheld: '–', refused: '✕' };

export interface IBadgeProps {
  readonly findings: IFindings;
  /** Read from the notebook's file, not heard from the server in this sitting. */
  readonly fromFile: boolean;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
  /** Ask the owner for a question that was withheld. */
  readonly onAsk: (question: string) => void;
}

export function BadgeView(props: IBadgeProps): JSX.Element {
  const { findings, fromFile, isOpen, onToggle, onAsk } = props;
  const words = summary(findings);
  const worst = outcome(findings);
  return (
    <>
      <button
        className="crk-Badge-button"
        data-outcome={worst}
        aria-expanded={isOpen}
        aria-label={`Clean Room: ${words}${fromFile ? ', as saved in this notebook' : ''}. Receipt`}
        title={fromFile ? 'As saved in this notebook. Run the cell to hear it from the room.' : 'Show the receipt'}
        onClick={onToggle}
      >
        <span aria-hidden="true" className="crk-Badge-sign">
          {SIGNS[worst]}
        </span>
        {words}
        {fromFile && <span className="crk-Badge-saved"> (saved)</span>}
      </button>
      {isOpen && <Details findings={findings} canAsk={!fromFile} onAsk={onAsk} />}
    </>
  );
}

interface IDetailsProps {
  readonly findings: IFindings;
  /** The session that asked may be gone where this is read from the file. */
  readonly canAsk: boolean;
  readonly onAsk: (question: string) => void;
}

function Details(props: IDetailsProps): JSX.Element {
  const { canAsk, onAsk } = props;
  const { denials, receipts, fitted, released } = props.findings;
  const more = fitted + released - receipts.length;
  return (
    <div className="crk-Badge-details">
      {denials.map(denial => (
        <section
          key={`${denial.kind} ${denial.rule}`}
          className="crk-Card"
          data-outcome={denial.kind === 'withheld' ? 'withheld' : 'refused'}
          aria-label={denial.kind === 'withheld' ? 'Withheld' : `Refused: ${denial.rule}`}
        >
          <p>{explained(denial)}</p>
          {canAsk && denial.questions.map((question, place) => (
            <AskButton
              key={question}
              label={denial.questions.length > 1 ? `Ask the owner for question ${place + 1}…` : 'Ask the owner…'}
              onAsk={() => onAsk(question)}
            />
          ))}
        </section>
      ))}
      {receipts.map(receipt => (
        <section key={receipt.number} aria-label={`Receipt ${receipt.number}`}>
          <h4>
            <span className="crk-Number">#{receipt.number}</span> {receipt.title}
          </h4>
          <ReceiptView receipt={receipt} />
          {canAsk && receipt.suppressed > 0 && isQuestion(receipt.question) && (
            <AskButton label="Ask the owner for the suppressed cells…" onAsk={() => onAsk(receipt.question)} />
          )}
        </section>
      ))}
      {more > 0 && <p>{more} earlier receipts of this cell are in the Clean Room panel.</p>}
    </div>
  );
}

function AskButton(props: { label: string; onAsk: () => void }): JSX.Element {
  return (
    <button
      className="jp-mod-styled crk-Small"
      title="Puts the question into a new cell, for you to add your reason"
      onClick={props.onAsk}
    >
      {props.label}
    </button>
  );
}
