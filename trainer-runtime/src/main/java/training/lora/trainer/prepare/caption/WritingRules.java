package training.lora.trainer.prepare.caption;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.Arrays;
import java.util.List;

/**
 * What a model asks of its texts beside their likelihood, as transformers' generation settings say it.
 *
 * @param noRepeat so many tokens in a row, the prompt's among them, are never written twice; 0 where they may be
 * @param first the token that follows a prompt of one; -1 where any may
 * @param last the token that a text of the greatest length ends with; -1 where any may
 * @param early whether a search ends with as many texts as it has beams, though another might be likelier
 */
@RecordBuilder
record WritingRules(int noRepeat, long first, long last, boolean early) {
    static final WritingRules NONE = WritingRulesBuilder.builder()
            .noRepeat(0)
            .first(-1)
            .last(-1)
            .early(false)
            .build();

    /**
     * Takes out of {@code logits} what must not follow.
     *
     * @return whether but one token is left, whose logit is 0
     */
    boolean apply(float[] logits, long[] prompt, List<Long> written, Decoding decoding) {
        if (last >= 0 && written.size() == decoding.mostTokens() - 1) {
            return only(logits, last);
        }
        if (first >= 0 && prompt.length + written.size() == 1) {
            return only(logits, first);
        }
        if (noRepeat > 0) {
            forbidRepeats(logits, prompt, written);
        }
        return false;
    }

    private static boolean only(float[] logits, long token) {
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        logits[(int) token] = 0;
        return true;
    }

    private void forbidRepeats(float[] logits, long[] prompt, List<Long> written) {
        long[] all = Arrays.copyOf(prompt, prompt.length + written.size());
        for (int i = 0; i < written.size(); i++) {
            all[prompt.length + i] = written.get(i);
        }
        int tail = all.length - noRepeat + 1;
        for (int i = 0; i < tail; i++) {
            if (Arrays.equals(all, i, i + noRepeat - 1, all, tail, all.length)) {
                logits[(int) all[i + noRepeat - 1]] = Float.NEGATIVE_INFINITY;
            }
        }
    }
}
