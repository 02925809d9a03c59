package training.lora.trainer.prepare.caption;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.api.CaptionsSpec;
import training.lora.api.Reason;
import training.lora.api.TagsSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.onnx.OnnxModel;

/**
 * Captions of tags, by a tagger as SmilingWolf's of version 3: a picture in a white square (1, S, S, 3), blue first, in 0
 * to 255, to the probability of each tag of selected_tags.csv.
 */
final class Tagger implements Captioner {
    private static final String TAGS = "selected_tags.csv";

    private static final String RATING = "9";

    private static final String CHARACTER = "4";

    /** Tags of faces made of signs, whose underscores are drawn. */
    private static final Set<String> FACES = Set.of(
            "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o", "@_@",
            "^_^", "o_o", "u_u", "x_x", "|_|", "||_||");

    private final OnnxModel model;
    private final String input;
    private final String output;
    private final int side;
    private final List<Tag> tags;
    private final TagsSpec settings;
    private final Set<String> excluded;
    private final String key;

    /** @param category 9 a rating, 4 a character, 0 anything */
    private record Tag(String name, String category) {}

    private record Found(String name, boolean character, float probability) {}

    private Tagger(OnnxModel model, List<Tag> tags, CaptionsSpec captions) {
        this.model = model;
        this.tags = tags;
        this.settings = captions.tags();
        this.key = key(captions);
        this.excluded = settings.exclude().stream().map(Tagger::plain).collect(Collectors.toCollection(HashSet::new));
        this.input = model.inputs().iterator().next();
        this.output = model.outputs().iterator().next();
        long[] shape = model.inputShape(input);
        if (model.inputs().size() != 1 || shape == null || shape.length != 4 || shape[3] != 3 || shape[1] < 1) {
            throw model.mismatch("a tagger", "one input (N, S, S, 3)");
        }
        this.side = Math.toIntExact(shape[1]);
    }

    /** @param field that names {@code place} */
    static Tagger open(Path place, String field, CaptionsSpec captions) {
        Path list = OnnxFiles.beside(place, TAGS);
        if (list == null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a tagger with %s beside it, but there is none in %s".formatted(field, TAGS, place));
        }
        List<Tag> tags = tags(field, list);
        OnnxModel model = OnnxModel.open(field, OnnxFiles.graph(field, place));
        try {
            return new Tagger(model, tags, captions);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    private static List<Tag> tags(String field, Path list) {
        List<Tag> tags = new ArrayList<>();
        try {
            for (String line : Files.readAllLines(list, StandardCharsets.UTF_8)) {
                // tag_id,name,category,count; a name with a comma is in quotes.
                java.util.regex.Matcher row = ROW.matcher(line);
                if (row.find()) {
                    tags.add(new Tag(row.group(1).replace("\"\"", "\""), row.group(2)));
                }
            }
        } catch (IOException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, "`%s` must have a readable %s".formatted(field, list), e);
        }
        return tags;
    }

    private static final java.util.regex.Pattern ROW = java.util.regex.Pattern.compile("^\\d+,\"?(.+?)\"?,(\\d+),");

    static String key(CaptionsSpec captions) {
        TagsSpec tags = captions.tags();
        return "Tagger %s %s %s %s"
                .formatted(tags.threshold(), tags.characterThreshold(), tags.order(), tags.exclude());
    }

    @Override
    public int atOnce() {
        return 1;
    }

    @Override
    public List<String> captions(List<CroppedPicture> pictures) throws IOException {
        List<String> all = new ArrayList<>();
        for (CroppedPicture picture : pictures) {
            all.add(caption(probabilities(picture.file())));
        }
        return all;
    }

    private float[] probabilities(Path file) throws IOException {
        OnnxArray.Floats pixels = new OnnxArray.Floats(square(file), 1, side, side, 3);
        float[] probabilities = model.run(Map.of(input, pixels), output).data();
        if (probabilities.length != tags.size()) {
            throw model.mismatch(
                    "a tagger",
                    "as many outputs as %s has tags (%d), but it has %d"
                            .formatted(TAGS, tags.size(), probabilities.length));
        }
        return probabilities;
    }

    private float[] square(Path file) throws IOException {
        MatOfByte bytes = new MatOfByte(Files.readAllBytes(file));
        Mat picture = Imgcodecs.imdecode(bytes, Imgcodecs.IMREAD_COLOR);
        int longest = Math.max(picture.cols(), picture.rows());
        int left = (longest - picture.cols()) / 2;
        int top = (longest - picture.rows()) / 2;
        Mat padded = new Mat();
        Core.copyMakeBorder(
                picture,
                padded,
                top,
                longest - picture.rows() - top,
                left,
                longest - picture.cols() - left,
                Core.BORDER_CONSTANT,
                new Scalar(255, 255, 255));
        Mat scaled = new Mat();
        int filter = longest > side ? Imgproc.INTER_AREA : Imgproc.INTER_CUBIC;
        Imgproc.resize(padded, scaled, new Size(side, side), 0, 0, filter);
        scaled.convertTo(scaled, CvType.CV_32F);
        float[] pixels = new float[side * side * 3];
        scaled.get(0, 0, pixels);
        for (Mat mat : List.of(bytes, picture, padded, scaled)) {
            mat.release();
        }
        return pixels;
    }

    private String caption(float[] probabilities) {
        List<Found> found = new ArrayList<>();
        for (int i = 0; i < tags.size(); i++) {
            Tag tag = tags.get(i);
            boolean character = tag.category().equals(CHARACTER);
            double threshold = character ? settings.characterThreshold() : settings.threshold();
            String name = plain(tag.name());
            if (!tag.category().equals(RATING) && probabilities[i] >= threshold && !excluded.contains(name)) {
                found.add(new Found(name, character, probabilities[i]));
            }
        }
        Comparator<Found> order =
                switch (settings.order()) {
                    case Probability -> Comparator.comparingDouble(tag -> -tag.probability());
                    case Name -> Comparator.comparing(Found::name);
                };
        // Who it is comes first, so that it is kept where tags are shuffled.
        found.sort(Comparator.comparing((Found tag) -> !tag.character()).thenComparing(order));
        return found.stream().map(Found::name).collect(Collectors.joining(", "));
    }

    /** A tag as people write it. */
    private static String plain(String tag) {
        String name = tag.strip().toLowerCase(Locale.ROOT);
        return FACES.contains(name) ? name : name.replace('_', ' ');
    }

    @Override
    public String key() {
        return key;
    }

    @Override
    public void close() {
        model.close();
    }
}
