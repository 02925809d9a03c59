package training.lora.trainer.prepare.mask;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.text.Tokens;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.picture.PictureInput;
import training.lora.trainer.picture.PillowResize.Filter;

/**
 * CLIPSeg (Lüddecke and Ecker 2022): how likely each place of a picture is a part of what a text says. It is read as
 * transformers' export to ONNX: {@code input_ids}, {@code attention_mask} and {@code pixel_values} to {@code logits}.
 */
final class ClipSeg implements AutoCloseable {
    private static final String LOGITS = "logits";

    /** The published models' size, filter and normalisation, for a file without a preprocessor_config.json beside it. */
    private static final PictureInput PUBLISHED = new PictureInput(
            352, 352, Filter.Bilinear, new float[] {0.485f, 0.456f, 0.406f}, new float[] {0.229f, 0.224f, 0.225f});

    private final OnnxModel model;
    private final Tokenizer tokenizer;
    private final PictureInput input;

    private ClipSeg(OnnxModel model, Tokenizer tokenizer, PictureInput input) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.input = input;
    }

    /**
     * Opens a model.
     *
     * @param field the field that names it, for messages
     * @param place its folder, or the file of its graph, with CLIP's own vocabulary if none lies beside it
     * @throws TrainerException InvalidConfiguration if it is none
     */
    static ClipSeg open(String field, Path place) {
        Path file = OnnxFiles.graph(field, place);
        OnnxModel model = OnnxModel.open(field, file);
        try {
            model.require(
                    "a CLIPSeg model as transformers exports it",
                    List.of("input_ids", "attention_mask", "pixel_values"),
                    List.of(LOGITS));
            PictureInput input = PictureInput.read(
                    OnnxFiles.beside(place, "preprocessor_config.json"), fixed(model.inputShape("pixel_values")));
            return new ClipSeg(model, tokenizer(field, place), input);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** The size that the graph asks for, where it asks for one. */
    private static PictureInput fixed(long @Nullable [] shape) {
        return shape == null || shape.length != 4 || shape[2] <= 0 || shape[3] <= 0
                ? PUBLISHED
                : new PictureInput(
                        (int) shape[3], (int) shape[2], PUBLISHED.filter(), PUBLISHED.mean(), PUBLISHED.deviation());
    }

    private static Tokenizer tokenizer(String field, Path place) {
        Path description = OnnxFiles.beside(place, "tokenizer.json");
        Path file = description == null ? OnnxFiles.beside(place, "merges.txt") : description;
        Path folder = file == null ? null : file.getParent();
        try {
            return folder == null ? Tokenizer.clip(false) : Tokenizer.open(folder);
        } catch (TrainerException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a model with CLIP's tokenizer: %s".formatted(field, e.getMessage()),
                    e);
        }
    }

    /**
     * What the model says of each place, by row; the places of all texts are as many.
     *
     * @param side of the places' square
     * @param texts of each text, the logarithm of the odds that a place is a part of it
     */
    record Logits(int side, float[][] texts) {}

    /** @param bgr 8 bits and three channels, which stays the caller's */
    Logits of(Mat bgr, List<String> texts) {
        int n = texts.size();
        List<Tokens> tokens = tokenizer.encode(texts);
        int length = tokens.stream()
                .mapToInt(t -> t.firstOf(tokenizer.end()) + 1)
                .max()
                .orElse(1);
        long[] ids = new long[n * length];
        long[] mask = new long[n * length];
        float[] picture = input.of(bgr);
        float[] pixels = new float[n * picture.length];
        for (int i = 0; i < n; i++) {
            long[] text = tokens.get(i).ids();
            System.arraycopy(text, 0, ids, i * length, length);
            int end = tokens.get(i).firstOf(tokenizer.end()) + 1;
            Arrays.fill(mask, i * length, i * length + end, 1);
            System.arraycopy(picture, 0, pixels, i * picture.length, picture.length);
        }
        OnnxArray.Floats logits = model.run(
                Map.of(
                        "input_ids", new OnnxArray.Longs(ids, n, length),
                        "attention_mask", new OnnxArray.Longs(mask, n, length),
                        "pixel_values", new OnnxArray.Floats(pixels, n, 3, input.height(), input.width())),
                LOGITS);
        // That of a single text has lost its first dimension.
        int size = logits.data().length / n;
        int side = (int) Math.round(Math.sqrt(size));
        if (side * side * n != logits.data().length) {
            throw model.mismatch(
                    "a CLIPSeg model", "logits (texts, side, side), but they are " + Arrays.toString(logits.shape()));
        }
        List<float[]> all = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            all.add(Arrays.copyOfRange(logits.data(), i * size, (i + 1) * size));
        }
        return new Logits(side, all.toArray(float[][]::new));
    }

    @Override
    public void close() {
        tokenizer.close();
        model.close();
    }
}
