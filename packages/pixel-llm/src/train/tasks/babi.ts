/**
 * The format of the bAbI tasks (Weston and others, arXiv 1502.05698): numbered sentences, a story beginning at each 1; a question has its
 * answer and the numbers of the sentences it needs behind it, with tabs between. A question is asked of the story so far.
 */
import { PixelError } from '../../core/errors.ts';
import { type Fact, moved, movedWay, type ReadQuestion, readQuestion, stepsOf, tellQuestion } from './facts.ts';
import { type Question, withSteps } from './question.ts';

/** Throws `bad-data`, naming the line. */
export function parseBabi(name: string, content: string): Question[] {
  const questions: Question[] = [];
  let story: string[] = [];
  for (const [index, line] of content.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [, number, text = ''] = /^(\d+) (.+)$/.exec(line) ?? [];
    const [sentence = '', answer] = text.split('\t');
    if (number === undefined || (answer !== undefined && answer.trim() === '')) {
      throw new PixelError(
        'bad-data',
        `${name}, line ${index + 1} is no numbered sentence or question of bAbI's form.`,
      );
    }
    if (number === '1') story = [];
    if (answer === undefined) story.push(sentence.trim());
    else {
      const asked = { story: story.join(' '), question: sentence.trim(), answer: answer.trim() };
      questions.push({ ...asked, kind: `${story.length} facts` });
    }
  }
  if (questions.length === 0) throw new PixelError('bad-data', `${name} has no questions of bAbI's form.`);
  return questions;
}

/**
 * Questions told in other ways that do not change what is learned: the names of the file exchanged for one another, and the plane turned and
 * mirrored, alike in story, question and answer. For tasks of facts about directions (17 and 19).
 */
export class BabiVariations {
  readonly #questions: readonly Question[];
  readonly #read: readonly (ReadQuestion | undefined)[];
  readonly #names: readonly string[];

  constructor(questions: readonly Question[]) {
    this.#questions = questions;
    this.#read = questions.map((question) => readQuestion(question));
    const names = this.#read.flatMap((read) => read?.facts.flatMap(({ thing, from }) => [thing, from]) ?? []);
    this.#names = [...new Set(names)].sort();
  }

  /** One of the questions, chosen and changed by `below`, a source of whole numbers; as it is where its words are others. */
  draw(below: (bound: number) => number): Question {
    const chosen = below(this.#questions.length);
    const question = this.#questions[chosen]!;
    const read = this.#read[chosen];
    if (!read) return question;
    const names = this.#exchanged(below);
    const symmetry = { turns: below(4), mirrored: below(2) === 1 };
    const change = <Told extends Pick<Fact, 'thing' | 'from'>>(told: Told): Told => ({
      ...told,
      thing: names.get(told.thing)!,
      from: names.get(told.from)!,
    });
    const { direction } = read.asked;
    const varied: ReadQuestion = {
      facts: read.facts.map((fact) => ({ ...change(fact), direction: moved(fact.direction, symmetry) })),
      asked: { ...change(read.asked), direction: direction && moved(direction, symmetry) },
    };
    const answer = direction ? question.answer : movedWay(question.answer, symmetry);
    return { ...question, ...tellQuestion(varied), answer };
  }

  /** A name for each name. */
  #exchanged(below: (bound: number) => number): Map<string, string> {
    const left = [...this.#names];
    return new Map(this.#names.map((name) => [name, left.splice(below(left.length), 1)[0]!]));
  }
}

/** The answer behind its steps, which are found in the story by search; the answer alone where there are none. */
export function answerWithSteps(question: Question): string {
  const read = readQuestion(question);
  const steps = read && stepsOf(read);
  return steps === undefined ? question.answer : withSteps(steps, question.answer);
}
