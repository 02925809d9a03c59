package training.lora.trainer.prepare.caption;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import training.lora.trainer.model.blip.Blip;
import training.lora.trainer.model.blip.BlipDecoder;

/** Writes texts about pictures by BLIP, as a {@link Decoding} says, each of which goes on from a prompt. */
record BlipWriter(Blip blip, Decoding decoding, long[] prompt) {
    /**
     * The tokens of a text for each of {@code pictures} (B, 3, S, S) in [0, 1], prompt included, without begin and end.
     *
     * @param randoms chance for each picture
     */
    List<long[]> write(NDArray pictures, IntFunction<SplittableRandom> randoms) {
        int count = (int) pictures.getShape().get(0);
        List<long[]> texts = new ArrayList<>();
        try (NDManager scope = pictures.getManager().newSubManager()) {
            NDArray own = pictures.duplicate();
            own.attach(scope);
            NDArray seen = blip.see(own);
            if (decoding.beams() == 1) {
                try (BlipDecoder.Text all = blip.begin(seen)) {
                    long[] begun = read(all, count);
                    fitting()
                            .write(continuation(all), begun, count, randoms)
                            .forEach(text -> texts.add(Decoding.after(prompt, text)));
                }
                return texts;
            }
            for (int i = 0; i < count; i++) {
                try (NDArray one = seen.get(i + ":" + (i + 1));
                        BlipDecoder.Text all = blip.begin(one)) {
                    long[] begun = read(all, 1);
                    all.repeat(decoding.beams());
                    texts.add(Decoding.after(prompt, fitting().search(continuation(all), begun)));
                }
            }
        }
        return texts;
    }

    private static Continuation continuation(BlipDecoder.Text text) {
        return Continuation.of(text::next, text::pick, text::close);
    }

    private Decoding fitting() {
        return decoding.within(blip.longest() - 1 - prompt.length);
    }

    /** Reads begin and prompt, which are returned, but for their last token. */
    private long[] read(BlipDecoder.Text text, int count) {
        long[] begun = new long[prompt.length + 1];
        begun[0] = blip.beginToken();
        System.arraycopy(prompt, 0, begun, 1, prompt.length);
        for (int i = 0; i < prompt.length; i++) {
            long[] row = new long[count];
            java.util.Arrays.fill(row, begun[i]);
            text.next(row);
        }
        return begun;
    }
}
