import type { Size } from './row.ts';

/** One number that is no time of a change, with what is expected of it. */
export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** It is met where the value is at most that. Default: it is only reported. */
  readonly atMost?: number;
};

/** Numbers about this program alone, taken once, where no peer has the same. */
export type Survey = {
  readonly name: string;
  title(size: Size): string;
  /** Takes minutes: only by name, or with all by --long. */
  readonly long?: boolean;
  scale?(size: Size): Size;
  /** Throws where the result is wrong. */
  take(size: Size): Promise<Figure[]>;
};

export type SurveyResult = { readonly name: string; readonly title: string } & (
  | { readonly kind: 'taken'; readonly figures: readonly Figure[] }
  | { readonly kind: 'failed'; readonly reason: string }
);

/** Never throws: what went wrong is the result. */
export async function takeSurvey(survey: Survey, asked: Size): Promise<SurveyResult> {
  const size = survey.scale?.(asked) ?? asked;
  const about = { name: survey.name, title: survey.title(size) };
  try {
    return { ...about, kind: 'taken', figures: await survey.take(size) };
  } catch (error) {
    return { ...about, kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

export function verdictOf({ value, atMost }: Figure): 'met' | 'missed' | '' {
  if (atMost === undefined) return '';
  return value <= atMost ? 'met' : 'missed';
}
