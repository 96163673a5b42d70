/**
 * Badge: a quiet line under a cell that says what happened to its questions, and opens their receipts.
 */
import { ICodeCellModel } from '@jupyterlab/cells';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IFindings, KEY, ofCell } from './findings';
import { ReceiptView } from './receipt';
import { explained, outcome, Outcome, summary } from './words';

const SIGNS: { [outcome in Outcome]: string } = { released: '✓', withheld: '–', refused: '✕' };

export class Badge extends ReactWidget {
  constructor(private readonly model: ICodeCellModel) {
    super();
    this.addClass('crk-Badge');
    model.stateChanged.connect(this.update, this);
    model.metadataChanged.connect(this.update, this);
  }

  /** The cell runs again. */
  clear(): void {
    this._said = null;
    this._isOpen = false;
    this._isWaiting = true;
    this.update();
  }

  /** What the server has just said; null when the cell asked nothing. */
  say(findings: IFindings | null): void {
    this._said = findings;
    this._isWaiting = false;
    this.update();
  }

  toggle(): boolean {
    if (this._findings === null) {
      return false;
    }
    this._isOpen = !this._isOpen;
    this.update();
    return true;
  }

  render(): JSX.Element {
    const findings = this._findings;
    if (findings === null) {
      return <></>;
    }
    return (
      <BadgeView
        findings={findings}
        fromFile={this._said === null}
        isOpen={this._isOpen}
        onToggle={() => this.toggle()}
      />
    );
  }

  /** Of a cell whose outputs were cleared, nothing is left to vouch for. */
  private get _findings(): IFindings | null {
    if (this._isWaiting || this.model.executionCount === null) {
      return null;
    }
    return this._said ?? ofCell(this.model.getMetadata(KEY));
  }

  private _said: IFindings | null = null;
  private _isOpen = false;
  private _isWaiting = false;
}

export interface IBadgeProps {
  readonly findings: IFindings;
  /** Read from the notebook's file, not heard from the server in this sitting. */
  readonly fromFile: boolean;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

export function BadgeView(props: IBadgeProps): JSX.Element {
  const { findings, fromFile, isOpen, onToggle } = props;
  const words = summary(findings);
  const worst = outcome(findings);
  return (
    <>
      <button
        className="crk-Badge-button"
        data-outcome={worst}
        data-lm-suppress-shortcuts="true"
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
      {isOpen && <Details findings={findings} />}
    </>
  );
}

function Details(props: { findings: IFindings }): JSX.Element {
  const { denials, receipts, released } = props.findings;
  const more = released - receipts.length;
  return (
    <div className="crk-Badge-details">
      {denials.map(denial => (
        <p key={`${denial.kind} ${denial.rule}`}>{explained(denial)}</p>
      ))}
      {receipts.map(receipt => (
        <section key={receipt.number} aria-label={`Receipt ${receipt.number}`}>
          <h4>
            <span className="crk-Number">#{receipt.number}</span> {receipt.title}
          </h4>
          <ReceiptView receipt={receipt} />
        </section>
      ))}
      {more > 0 && <p>{more} earlier receipts of this cell are in the Clean Room panel.</p>}
    </div>
  );
}
