/** Tests of the files of retrieval tests. */
package org.dunlin.data.retrieval;
