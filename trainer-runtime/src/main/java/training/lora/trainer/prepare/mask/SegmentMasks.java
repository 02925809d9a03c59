package training.lora.trainer.prepare.mask;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import training.lora.api.MaskScoring;
import training.lora.api.MaskSpec;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;

/** CLIPSeg says which parts of a picture are what a text says. Soft: there is no threshold. */
final class SegmentMasks implements MaskMaker {
    /** Where the empty text is as likely as the prompt. */
    private static final double EVEN = 0.5;

    /** What CLIPSeg says at most of a thing that isn't there. */
    private static final double NOTHING = 0.1;

    private final ClipSeg model;
    private final MaskSpec spec;
    private final SegmentPrompts prompts;
    private final String digest;

    /**
     * @param model closed with this
     * @param digest of the model
     */
    SegmentMasks(ClipSeg model, SegmentPrompts prompts, String digest) {
        this.model = model;
        this.spec = prompts.spec();
        this.prompts = prompts;
        this.digest = digest;
    }

    @Override
    public @Nullable Mat mask(Item item, Photo photo) {
        List<String> texts = prompts.of(item.dataset());
        if (texts.isEmpty()) {
            return null;
        }
        Soft soft = soft(photo.colour(), texts);
        if (soft.nothing()) {
            return null;
        }
        byte[] bytes = new byte[soft.values.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Math.round(255 * soft.values[i]);
        }
        Mat small = new Mat(soft.side, soft.side, CvType.CV_8U);
        small.put(0, 0, bytes);
        return SoftMask.finish(small, photo.colour().size(), (int)
                (spec.blurred() * photo.colour().width()));
    }

    /**
     * A mask of the model's size.
     *
     * @param values by row, from 0 to 1; the greatest is 1
     * @param nothing whether the prompt is nowhere
     */
    record Soft(int side, float[] values, boolean nothing) {}

    /** As Eden's trainer makes it: softmax at a temperature, plus a bias, stretched to 1. Of several prompts the likeliest. */
    Soft soft(Mat picture, List<String> prompts) {
        boolean softmax = spec.scoring() == MaskScoring.Softmax;
        List<String> texts = new ArrayList<>(prompts);
        if (softmax) {
            texts.add("");
        }
        ClipSeg.Logits logits = model.of(picture, texts);
        int size = logits.side() * logits.side();
        float[] values = new float[size];
        double likeliest = 0;
        for (int at = 0; at < size; at++) {
            double other = softmax ? logits.texts()[prompts.size()][at] : 0;
            double best = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < prompts.size(); i++) {
                best = Math.max(best, logits.texts()[i][at]);
            }
            // The softmax of two is the logistic function of their difference.
            double likely = 1 / (1 + Math.exp((other - best) / spec.temperature()));
            likeliest = Math.max(likeliest, likely);
            values[at] = (float) Math.min(1, likely + spec.bias());
        }
        double greatest = Math.min(1, likeliest + spec.bias());
        for (int at = 0; at < size; at++) {
            values[at] = (float) (values[at] / greatest);
        }
        return new Soft(logits.side(), values, likeliest <= (softmax ? EVEN : NOTHING));
    }

    @Override
    public boolean looksFor(Item item) {
        return !prompts.of(item.dataset()).isEmpty();
    }

    @Override
    public String key(Item item) {
        return "%s %s %s %s %s %s %s %s"
                .formatted(
                        spec.source(),
                        digest,
                        spec.scoring(),
                        spec.temperature(),
                        spec.bias(),
                        spec.blurred(),
                        prompts.of(item.dataset()).size(),
                        String.join("\n", prompts.of(item.dataset())));
    }

    @Override
    public void close() {
        model.close();
    }
}
