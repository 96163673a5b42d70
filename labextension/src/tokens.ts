/**
 * Tokens: what the plugins know of each other.
 */
import { Token } from '@lumino/coreutils';
import { ISignal } from '@lumino/signaling';

import { IFindings } from './findings';
import { KernelState, Receipt, Spent, Standing, Welcome } from './protocol';

/** A question of this session that was not answered. */
export interface IDenied {
  readonly request: string;
  readonly time: string;
  readonly kind: 'withheld' | 'refusal';
  readonly rule: string;
  readonly times: number;
  readonly questions: readonly string[];
}

/** What is known of the room behind the current notebook. */
export interface IRoomState {
  /** Null while it is not known what the kernel is. */
  readonly kernel: KernelState | null;
  readonly description: Welcome | null;
  /** By number. */
  readonly receipts: readonly Receipt[];
  /** By time; of the cells that this browser has seen. */
  readonly denied: readonly IDenied[];
  /** To the owner, of all sessions; the newest first. */
  readonly requests: readonly Standing[];
  /** Over all sessions; null from a server that does not tell. */
  readonly budget: Spent | null;
  /** Why this Jupyter server could not be asked; empty when it could. */
  readonly failure: string;
}

export interface ICleanRoom {
  readonly state: IRoomState;
  readonly changed: ISignal<ICleanRoom, void>;
  /** Whether the current notebook's kernel is one of a clean room. */
  readonly isActive: boolean;
  /** Releases of this session; fitted models that stay in the room are none. */
  readonly released: number;
  /** From now on the room of this kernel, or of none; `refresh` asks about it. */
  follow(kernel: string | null): void;
  /** Ask again. */
  refresh(): Promise<void>;
  /** Ask again in a moment: something may have changed. */
  soon(): void;
  /** The server's word on a cell that has just been answered. */
  heard(kernel: string, findings: IFindings): void;
}

export const ICleanRoom = new Token<ICleanRoom>(
  'cleanroom-kernel:ICleanRoom',
  'The room of the current notebook: its state, its tables, and what was released.'
);

/** Notebooks, as far as a clean room is concerned with them. */
export interface INotebooks {
  /** Whether a cell of the current notebook made this request, as receipts name it. */
  has(request: string): boolean;
  /** Scroll to that cell and select it. */
  jump(request: string): void;
  /** Put code where the cursor of the current notebook is, or in a new cell. */
  insert(code: string): void;
  /** Put code that asks the owner for a question into a new cell below the cell that asked. */
  ask(request: string, question: string): void;
  /** Open or close the receipt under the active cell. False where there is none. */
  toggleReceipt(): boolean;
}

export const INotebooks = new Token<INotebooks>(
  'cleanroom-kernel:INotebooks',
  'Badges under the cells of notebooks, and the way from a receipt to its cell.'
);
