package training.lora.trainer.evaluate;

import java.util.LinkedHashMap;
import java.util.Map;

/** Measures pictures for a concept, what depends on its training pictures alone once. */
final class ConceptMeter {
    private final ConceptShare share;
    private final PromptTexts texts;
    private final ScoreWeights weights;
    private final TrainingValues reference;
    private final Likeness.Among among;
    private final boolean alike;
    private final boolean othersAlike;
    private final double most;

    /** @param reference what is measured of the training pictures */
    ConceptMeter(ConceptShare share, PromptTexts texts, ScoreWeights weights, TrainingValues reference) {
        this.share = share;
        this.texts = texts;
        this.weights = weights;
        this.reference = reference;
        this.among = Likeness.Among.of(share.training());
        PromptFollowing following = texts.following(share.prompts());
        this.alike = following.alike();
        this.othersAlike = texts.following(share.others()).alike();
        this.most = following.most(share.training(), share.captions());
    }

    /** What it measures for. */
    ConceptShare share() {
        return share;
    }

    /** Measures all pictures that count for the concept, beside the same of the base model. */
    ConceptMetrics measure(PictureValues pictures, PictureValues base) {
        return measure(pictures, base, share.prompts(), share.others());
    }

    /**
     * Whether some of the pictures are measured in the way in which all are: one picture drawn again and again has one text.
     *
     * @param prompts some of the concept's
     * @param others some of those that name no concept
     */
    boolean comparable(int[] prompts, int[] others) {
        return texts.following(prompts).alike() == alike
                && texts.following(others).alike() == othersAlike;
    }

    /**
     * Measures.
     *
     * @param prompts numbers of the pictures of the concept; one counts as often as it is there
     * @param others numbers of the pictures of prompts that name no concept
     */
    ConceptMetrics measure(PictureValues pictures, PictureValues base, int[] prompts, int[] others) {
        double learned = Likeness.of(among, base.vectors().take(prompts))
                .learned(pictures.vectors().take(prompts));
        // CLIP may hardly read what is taught, such as line drawings where it was trained on photographs: then no more
        // can be asked of pictures that are alike than that they follow their texts as training pictures do.
        double kept = Math.min(
                texts.following(prompts).kept(pictures.vectors(), base.vectors(), most),
                texts.following(others).kept(pictures.vectors(), base.vectors(), Double.POSITIVE_INFINITY));
        Score parts = new Score(learned, kept);
        ClipMetrics clip = clip(pictures, prompts);
        Map<String, Double> more = means(pictures, prompts);
        double score = weights.of(parts, weights.needsMore() ? shares(clip, more, base, prompts) : Map.of());
        return new ConceptMetrics(score, parts, clip, more);
    }

    private ClipMetrics clip(PictureValues pictures, int[] prompts) {
        return ClipMetrics.of(
                pictures.vectors(),
                texts.vectors(),
                prompts,
                among.centre(),
                share.training().size());
    }

    /** The means of the pictures' other numbers, of those that have some. */
    private static Map<String, Double> means(PictureValues pictures, int[] prompts) {
        Map<String, Double> means = new LinkedHashMap<>();
        pictures.values().forEach((name, values) -> {
            double sum = 0;
            int count = 0;
            for (int i : prompts) {
                if (!Double.isNaN(values[i])) {
                    sum += values[i];
                    count++;
                }
            }
            if (count > 0) {
                means.put(name, sum / count);
            }
        });
        return means;
    }

    /** Shares beside learned and kept, each 1 where as much is reached as can be asked for. */
    private Map<String, Double> shares(ClipMetrics clip, Map<String, Double> more, PictureValues base, int[] prompts) {
        Map<String, Double> baseMore = means(base, prompts);
        Map<String, Double> shares = new LinkedHashMap<>();
        Double aesthetic = more.get(AestheticHead.NAME);
        if (aesthetic != null) {
            double asked = least(baseMore.getOrDefault(AestheticHead.NAME, Double.NaN), reference.aesthetic());
            shares.put(ScoreWeights.AESTHETIC, Share.of(aesthetic, 0, asked));
        }
        double asked = least(clip(base, prompts).diversity(), reference.diversity());
        shares.put(ScoreWeights.DIVERSITY, Share.of(clip.diversity(), 0, asked));
        Double memorised = more.get(Memorisation.NAME);
        if (memorised != null) {
            shares.put(ScoreWeights.ORIGINAL, 1 - memorised);
        }
        Double overfit = more.get(HeldOut.OVERFIT);
        if (overfit != null) {
            double of = baseMore.getOrDefault(HeldOut.OVERFIT, 0.0);
            shares.put(ScoreWeights.GENERAL, Share.of(-overfit, -reference.overfit(), -of));
        }
        Double faces = more.get(FaceSimilarity.NAME);
        if (faces != null) {
            double of = Math.max(0, baseMore.getOrDefault(FaceSimilarity.NAME, 0.0));
            shares.put(ScoreWeights.FACES, Share.of(faces, of, reference.faces()));
        }
        return shares;
    }

    /** The lower one; the other where one can't be measured. */
    private static double least(double a, double b) {
        return Double.isNaN(a) ? b : Double.isNaN(b) ? a : Math.min(a, b);
    }
}
