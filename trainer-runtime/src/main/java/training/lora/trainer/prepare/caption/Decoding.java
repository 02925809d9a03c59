package training.lora.trainer.prepare.caption;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.stream.LongStream;
import training.lora.api.CaptionsSpec;

/**
 * How a text is chosen from what a model thinks may follow: the likeliest token each time (one beam, temperature 0), the
 * likeliest text of some that are followed at once (beams), or by chance (temperature).
 *
 * @param beams texts that are followed at once
 * @param temperature the logits are divided by it; 0 for the likeliest
 * @param topK tokens that chance chooses from
 * @param mostTokens tokens that are written at most, the end included
 * @param end token that ends a text
 * @param pad token behind the end
 * @param rules what the model asks of texts besides
 */
@RecordBuilder
record Decoding(int beams, double temperature, int topK, int mostTokens, long end, long pad, WritingRules rules) {
    /** A beam that is none: so much less likely than any. */
    private static final double NEVER = -1e9;

    /** The same for a model that has room for {@code tokens} more. */
    Decoding within(int tokens) {
        return DecodingBuilder.builder(this)
                .mostTokens(Math.min(mostTokens, tokens))
                .build();
    }

    /** All tokens of a text that goes on from a prompt. */
    static long[] after(long[] prompt, long[] text) {
        return LongStream.concat(Arrays.stream(prompt), Arrays.stream(text)).toArray();
    }

    /** What of {@code captions} decides on the texts. */
    static String key(CaptionsSpec captions, long seed) {
        String chance = captions.temperature() == 0
                ? ""
                : " temperature %s topK %d seed %d".formatted(captions.temperature(), captions.topK(), seed);
        return "%s beams %d maxTokens %d%s"
                .formatted(captions.beginning(), captions.beams(), captions.maxTokens(), chance);
    }

    /**
     * Writes one text for each of {@code count} rows, without the end.
     *
     * @param texts what they are written in, after the prompt's tokens but the last
     * @param prompt all of the prompt's tokens
     * @param randoms chance for each row
     */
    List<long[]> write(Continuation texts, long[] prompt, int count, IntFunction<SplittableRandom> randoms) {
        List<List<Long>> written = new ArrayList<>();
        List<SplittableRandom> chances = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            written.add(new ArrayList<>());
            chances.add(randoms.apply(i));
        }
        boolean[] ended = new boolean[count];
        long[] tokens = new long[count];
        Arrays.fill(tokens, prompt[prompt.length - 1]);
        for (int at = 0; at < mostTokens && !all(ended); at++) {
            float[][] logits = texts.next(tokens);
            for (int i = 0; i < count; i++) {
                rules.apply(logits[i], prompt, written.get(i), this);
                long token = ended[i] ? pad : choose(logits[i], chances.get(i));
                tokens[i] = token;
                if (token == end) {
                    ended[i] = true;
                } else if (!ended[i]) {
                    written.get(i).add(token);
                }
            }
        }
        return written.stream().map(Decoding::array).toList();
    }

    private static boolean all(boolean[] flags) {
        for (boolean flag : flags) {
            if (!flag) {
                return false;
            }
        }
        return true;
    }

    private static long[] array(List<Long> tokens) {
        return tokens.stream().mapToLong(Long::longValue).toArray();
    }

    private int choose(float[] logits, SplittableRandom random) {
        if (temperature == 0) {
            return greatest(logits);
        }
        int[] best = best(logits, Math.min(topK, logits.length));
        double[] shares = new double[best.length];
        double sum = 0;
        for (int i = 0; i < best.length; i++) {
            shares[i] = Math.exp((logits[best[i]] - logits[best[0]]) / temperature);
            sum += shares[i];
        }
        double drawn = random.nextDouble() * sum;
        for (int i = 0; i < best.length; i++) {
            drawn -= shares[i];
            if (drawn < 0) {
                return best[i];
            }
        }
        return best[best.length - 1];
    }

    private static int greatest(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }

    /** Places of the greatest, from the greatest on; of equals the first comes first. */
    private static int[] best(float[] values, int count) {
        Comparator<Integer> better =
                Comparator.<Integer>comparingDouble(i -> -values[i]).thenComparing(Comparator.naturalOrder());
        PriorityQueue<Integer> kept = new PriorityQueue<>(count, better.reversed());
        for (int i = 0; i < values.length; i++) {
            if (kept.size() < count) {
                kept.add(i);
            } else if (Float.compare(values[i], values[kept.element()]) > 0) {
                kept.remove();
                kept.add(i);
            }
        }
        return kept.stream().sorted(better).mapToInt(Integer::intValue).toArray();
    }

    /** A text that is followed. */
    private record Beam(List<Long> tokens, double score, int row) {
        Beam with(long token, double sum, int from) {
            List<Long> longer = new ArrayList<>(tokens);
            longer.add(token);
            return new Beam(longer, sum, from);
        }
    }

    /** The candidates of a step are twice as many as the beams, so that ends leave enough that go on. */
    private List<Beam> candidates(List<Beam> running, float[][] logits, long[] prompt) {
        List<Beam> all = new ArrayList<>();
        for (int i = 0; i < running.size(); i++) {
            Beam beam = running.get(i);
            double norm = logSum(logits[i]);
            // As in transformers, what they forbid leaves its share to no other.
            norm -= rules.apply(logits[i], prompt, beam.tokens(), this) ? norm : 0;
            for (int token : best(logits[i], Math.min(2 * beams, logits[i].length))) {
                all.add(beam.with(token, beam.score() + logits[i][token] - norm, i));
            }
        }
        all.sort(Comparator.comparingDouble(beam -> -beam.score()));
        return all.subList(0, Math.min(2 * beams, all.size()));
    }

    private static double logSum(float[] logits) {
        double most = logits[greatest(logits)];
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - most);
        }
        return most + Math.log(sum);
    }

    /**
     * The text whose tokens are likeliest on average, as transformers searches with a length penalty of 1 and, but for {@link
     * WritingRules#early}, no early stopping: until {@code beams} texts have ended, none of which the best that goes on beats.
     *
     * @param texts {@link #beams} rows of one picture, as in {@link #write}
     */
    long[] search(Continuation texts, long[] prompt) {
        List<Beam> running = new ArrayList<>();
        for (int i = 0; i < beams; i++) {
            running.add(new Beam(List.of(), i == 0 ? 0 : NEVER, i));
        }
        List<Beam> finished = new ArrayList<>();
        long[] tokens = new long[beams];
        Arrays.fill(tokens, prompt[prompt.length - 1]);
        for (int length = 1; length <= mostTokens; length++) {
            List<Beam> candidates = candidates(running, texts.next(tokens), prompt);
            List<Beam> open = new ArrayList<>();
            for (int rank = 0; rank < candidates.size(); rank++) {
                Beam beam = candidates.get(rank);
                boolean ends = beam.tokens().get(length - 1) == end || length == mostTokens;
                if (!ends) {
                    open.add(beam);
                } else if (rank < beams) {
                    finished.add(new Beam(beam.tokens(), beam.score() / length, beam.row()));
                }
            }
            finished.sort(Comparator.comparingDouble(beam -> -beam.score()));
            finished.subList(Math.min(beams, finished.size()), finished.size()).clear();
            if (open.size() < beams
                    || (finished.size() == beams
                            && (rules.early()
                                    || open.get(0).score() / length
                                            <= finished.get(beams - 1).score()))) {
                break;
            }
            running = open.subList(0, beams);
            texts.pick(running.stream().mapToLong(Beam::row).toArray());
            int at = length - 1;
            tokens = running.stream().mapToLong(beam -> beam.tokens().get(at)).toArray();
        }
        List<Long> best = finished.get(0).tokens();
        int size = best.size();
        return array(size > 0 && best.get(size - 1) == end ? best.subList(0, size - 1) : best);
    }
}
