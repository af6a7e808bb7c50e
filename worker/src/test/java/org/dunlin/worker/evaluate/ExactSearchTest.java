package org.dunlin.worker.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** The search against sorting all products, and how it breaks ties. */
class ExactSearchTest {

  @Property(tries = 40)
  void findsWhatSortingAllProductsFinds(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 700) int documents,
      @ForAll @IntRange(min = 1, max = 33) int width,
      @ForAll @IntRange(min = 1, max = 120) int most) {
    Random random = new Random(seed);
    float[][] queries = vectors(random, 3, width);
    float[][] texts = vectors(random, documents, width);
    int[][] found = ExactSearch.best(queries, texts, most);
    for (int q = 0; q < queries.length; q++) {
      float[] query = queries[q];
      int[] sorted =
          IntStream.range(0, documents)
              .boxed()
              .sorted(Comparator.comparingDouble(d -> -product(query, texts[d])))
              .limit(most)
              .mapToInt(d -> d)
              .toArray();
      assertThat(found[q]).isEqualTo(sorted);
    }
  }

  @Test
  void prefersTheLowerIndexAmongEqualDocuments() {
    float[][] texts = new float[600][];
    Arrays.fill(texts, new float[] {-1, 0});
    texts[599] = new float[] {1, 0};
    int[] found = ExactSearch.best(new float[][] {{1, 0}}, texts, 4)[0];
    assertThat(found).containsExactly(599, 0, 1, 2);
  }

  @Test
  void ranksWhatIsNotANumberLast() {
    float[][] texts = {{Float.NaN}, {-5}, {3}};
    assertThat(ExactSearch.best(new float[][] {{1}}, texts, 3)[0]).containsExactly(2, 1, 0);
  }

  // Small whole numbers: products are exact, and there are many ties.
  private static float[][] vectors(Random random, int rows, int width) {
    float[][] vectors = new float[rows][width];
    for (float[] vector : vectors) {
      for (int i = 0; i < width; i++) {
        vector[i] = random.nextInt(-2, 3);
      }
    }
    return vectors;
  }

  private static double product(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum();
  }
}
