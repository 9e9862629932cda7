// Which engine, and how many queues: what BEAM_ENGINE and BEAM_QUEUES say. SPEC.md 9.2.
import { OperatorError } from '../base/errors.js';
import { ENGINE_CHOICES, MAX_QUEUES, type EngineChoice } from '../config/tunnelConfig.js';

export interface EngineWish {
  readonly choice: EngineChoice;
  /** 1 to MAX_QUEUES; more than one is for the native engine alone. */
  readonly queues: number;
}

/** Throws OperatorError E_ENGINE. What isn't set is absent. */
export function engineFromEnvironment(env: NodeJS.ProcessEnv): Partial<EngineWish> {
  const { BEAM_ENGINE: choice = '', BEAM_QUEUES: queues = '' } = env;
  return {
    ...(choice === '' ? {} : { choice: engineChoice(choice) }),
    ...(queues === '' ? {} : { queues: queueCount(queues) }),
  };
}

function engineChoice(text: string): EngineChoice {
  const choice = ENGINE_CHOICES.find((name) => name === text);
  if (choice !== undefined) return choice;
  throw wrong('BEAM_ENGINE', ENGINE_CHOICES.join(', '), text);
}

function queueCount(text: string): number {
  const count = /^\d$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_QUEUES) return count;
  throw wrong('BEAM_QUEUES', `1 to ${MAX_QUEUES}`, text);
}

const wrong = (place: string, expected: string, text: string): OperatorError =>
  new OperatorError({
    code: 'E_ENGINE',
    place,
    expected,
    found: JSON.stringify(text),
    remedy: `unset ${place} to let Beam choose`,
  });
